"""The corpus once more, against real proxies: Debian's nginx and Caddy.

What the gateway does with each case is shown by test_corpus.py. Here every difference to nginx has
its cause in nginx.yaml, and Caddy is asked how many of the valid requests it serves.
"""

import re
import subprocess
from pathlib import Path

import pytest
import uvloop

from tests.servers.proxies import nginx_binary
from tests.strictness.cases import Case, load
from tests.strictness.differences import difference, explained
from tests.strictness.harness import Outcome
from tests.strictness.proxies import outcomes_at
from tests.strictness.test_corpus import run

CASES = load()
EXPLAINED = explained(Path(__file__).parent / "nginx.yaml", CASES)

pytestmark = pytest.mark.xdist_group("corpus")


@pytest.fixture(scope="module")
def at_nginx(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    return uvloop.run(outcomes_at("nginx", tmp_path_factory.mktemp("nginx"), CASES))


@pytest.fixture(scope="module")
def at_caddy(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    return uvloop.run(outcomes_at("Caddy", tmp_path_factory.mktemp("caddy"), CASES))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_difference_to_nginx_is_explained(case: Case, at_nginx: dict[str, Outcome]) -> None:
    found = difference(case, at_nginx[case.name])
    does, _ = EXPLAINED.causes.get(case.name, ("", ""))
    if not found and not _as_explained():
        return  # another nginx than the one explained may be stricter
    assert found == does, (case, at_nginx[case.name])


def _as_explained() -> bool:
    told = subprocess.run([nginx_binary(), "-v"], capture_output=True, check=True, text=True)
    version = re.search(r"nginx/([0-9]+\.[0-9]+)", told.stderr)
    return version is not None and version[1] == EXPLAINED.version


def test_at_least_as_many_valid_requests_are_served_as_caddy_serves(
    at_caddy: dict[str, Outcome], tmp_path: Path
) -> None:
    at_gateway = {name: outcome for name, (outcome, _) in uvloop.run(run(tmp_path)).items()}
    valid = [case for case in CASES if case.kind == "valid"]

    def served(outcomes: dict[str, Outcome]) -> int:
        return sum(difference(case, outcomes[case.name]) != "refuses" for case in valid)

    assert len(valid) // 2 < served(at_caddy) <= served(at_gateway)


def test_what_others_pass_on_that_has_two_readings(
    at_nginx: dict[str, Outcome], at_caddy: dict[str, Outcome]
) -> None:
    """The corpus tells a strict proxy from a lenient one; the gateway passes nothing of it on."""
    odd = {
        name: sum(bool(outcomes[case.name].odd) for case in CASES if case.kind == "ambiguous")
        for name, outcomes in (("nginx", at_nginx), ("caddy", at_caddy))
    }
    assert min(odd.values()) > 0, odd
