"""What is printed names everybody, fits the terminal, and ends with what is needed first."""

from dataclasses import replace
from pathlib import Path

import pytest

from demo.people import PEOPLE
from demo.plan import Plan, make_plan
from demo.sonar.seed import ACCOUNTS
from demo.summary import summary

CONFIG = Path(__file__).parents[2] / "config.yaml"


@pytest.fixture
def plan() -> Plan:
    return make_plan(CONFIG, None)


def test_names_everybody_who_can_be_picked(plan: Plan) -> None:
    text = summary(plan, 200)
    missing = {person.id for person in PEOPLE if person.meets not in text}
    assert missing == {"cora"}, "Entra's endpoint for organizations knows no personal accounts"
    for account in ACCOUNTS:
        assert account.username in text
        assert account.password in text


@pytest.mark.parametrize("width", [100, 120, 200])
def test_fits_the_terminal(plan: Plan, width: int) -> None:
    people, _, _ = summary(plan, width).partition("Sonar Gateway is running")
    assert max(map(len, people.splitlines())) <= width


def test_ends_with_where_to_go_and_how_to_stop(plan: Plan) -> None:
    last = summary(plan, 80).splitlines()[-10:]
    assert any("http://localhost:8080" in line for line in last)
    assert any("gateway.log" in line for line in last)
    assert any("Ctrl-C" in line for line in last)


def test_the_command_to_explain_names_its_configuration(plan: Plan, tmp_path: Path) -> None:
    text = summary(plan, 80)
    assert f"{CONFIG.name} explain jo@acme.example" in text
    moved = replace(plan, config_file=tmp_path / "config.yaml")
    assert f"--config {tmp_path / 'config.yaml'} explain" in summary(moved, 80)


def test_a_real_provider_is_named_with_its_redirect_uri(plan: Plan) -> None:
    google = plan.config.providers["google"].model_copy(
        update={"discovery_url": "https://accounts.google.com/.well-known/openid-configuration"}
    )
    providers = {**plan.config.providers, "google": google}
    real = replace(plan, config=plan.config.model_copy(update={"providers": providers}))
    text = summary(real, 120)
    assert "Google: the real one" in text
    assert "http://localhost:8080/sso/callback/google" in text
    assert "jo@acme.example  " not in text.partition("Microsoft")[0]
