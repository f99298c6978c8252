"""`check` looks and leaves no trace; tests/journeys/test_check.py has what it finds."""

import json
from pathlib import Path

import pytest
import yaml

from gateway.commands.lines import Line, as_text
from tests.certificates import Pair, make_pair
from tests.commands.conftest import Run


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder below, and what is in the files."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def lines(run: Run) -> dict[str, tuple[str, str]]:
    done = run("check", "--json")
    assert done.stderr == ""
    return {line["part"]: (line["state"], line["detail"]) for line in json.loads(done.stdout)}


def test_before_the_first_start_nothing_is_made(run: Run, folder: Path) -> None:
    before = contents(folder)
    found = lines(run)
    assert contents(folder) == before
    var = folder / "var"
    assert found["keys"] == (
        "warn",
        f"none yet in {var / 'keys'}; `serve` makes them at its first start",
    )
    assert found["sessions"] == (
        "warn",
        f"none yet in {var / 'sessions.db'}; `serve` makes the store at its first start",
    )


def test_accounts_that_can_prove_no_password_are_warned_of(run: Run, folder: Path) -> None:
    content = yaml.safe_load((folder / "config.yaml").read_text())
    content["directory"] = {"kind": "file", "path": "accounts.yaml"}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    account = {"id": "1", "username": "jo", "active": True}
    (folder / "accounts.yaml").write_text(yaml.safe_dump({"accounts": [account]}))
    state, detail = lines(run)["directory"]
    assert state == "warn"
    assert "password hashes: unreadable; whose hash is unreadable, or missing," in detail


def test_a_folder_of_policies_that_is_not_there(run: Run, folder: Path) -> None:
    (folder / "policies").rename(folder / "elsewhere")
    state, detail = lines(run)["policies"]
    assert state == "FAIL"
    assert detail == (
        f"{folder / 'policies'}: cannot be read: No such file or directory; config.yaml names it "
        "under `policies`"
    )


@pytest.mark.parametrize(
    ("pair", "state", "detail"),
    [
        (make_pair("sonar.example", days=90.5), "ok", "for sonar.example until 20"),
        (make_pair("*.example", days=90.5), "ok", "90 days"),
        (make_pair("sonar.example", days=5.5), "warn", "5 days; renew it"),
        (make_pair("other.example"), "warn", "not for sonar.example but for other.example; until"),
        (make_pair("sonar.example", days=-1, since=-2), "FAIL", "expired on 20"),
        (Pair(make_pair().certificate, make_pair().key), "FAIL", "are no pair"),
    ],
)
def test_the_certificate(run: Run, folder: Path, pair: Pair, state: str, detail: str) -> None:
    content = yaml.safe_load((folder / "config.yaml").read_text())
    content["server"] = {"public_url": "https://sonar.example", "tls": pair.write(folder)}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    found = lines(run)["certificate"]
    assert found[0] == state
    assert detail in found[1]


def test_no_certificate_no_line(run: Run) -> None:
    assert "certificate" not in lines(run)


def test_the_columns_fit_the_longest_name() -> None:
    shown = as_text(
        (Line("ok", "keys", "new"), Line("FAIL", "a-provider-of-long-name client secret", "wrong"))
    )
    assert [line.split()[-1] for line in shown] == ["new", "wrong"]
    assert len({line.index(line.split()[-1]) for line in shown}) == 1


def test_what_a_provider_or_sonar_says_of_itself_writes_no_terminal() -> None:
    """Nor a line that looks like one of ours."""
    told = Line("FAIL", "google PKCE", "the provider states \x1b[2J\nok    google PKCE  S256")
    (line,) = as_text((told,))
    assert line.isprintable()
