"""Nothing that two servers could read differently is forwarded; what is forwarded is canonical.

The corpus (cases.py) runs over real sockets against the edge, with an upstream that keeps every
byte and reads it with strict.py, which shares nothing with the gateway.
"""

from pathlib import Path

import pytest
import uvloop

from tests.edge.world import World
from tests.strictness.cases import BEHIND_UPSTREAM, Case, load
from tests.strictness.harness import Outcome, Recorder, outcome_of, plain

CASES = load()

# What the cases ask for; those that ask for anything else do it as password users.
PUBLIC = ["/behind", "/fence", "/s", "/v", "/w", "/1", "/2"]

pytestmark = pytest.mark.xdist_group("corpus")


async def run(folder: Path) -> dict[str, tuple[Outcome, bytes]]:
    """For each case what came of it, and the part of it that the portal got."""
    recorder = Recorder()
    world = World(folder, upstream={"public_paths": PUBLIC})
    world.sonar.script = world.portal.script = recorder.script
    await world.start()
    outcomes = {}
    try:
        for case in CASES:
            before = to_portal(world)
            outcome = await outcome_of(world.edge_port, case, recorder)
            outcomes[case.name] = outcome, to_portal(world).removeprefix(before)
    finally:
        await world.stop()
    return outcomes


def to_portal(world: World) -> bytes:
    return b"".join(bytes(call.seen) for call in world.portal.calls)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Outcome, bytes]]:
    return uvloop.run(run(tmp_path_factory.mktemp("corpus")))


def ids(case: Case) -> str:
    return case.name


def test_the_corpus_is_large_and_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    assert sum(case.kind == "ambiguous" for case in CASES) >= 250
    assert sum(case.kind == "valid" for case in CASES) >= 100


@pytest.mark.parametrize("case", [case for case in CASES if case.forwarded], ids=ids)
def test_what_is_plain_passes_exactly(
    case: Case, outcomes: dict[str, tuple[Outcome, bytes]]
) -> None:
    outcome, portal = outcomes[case.name]
    expected = case.upstream + (BEHIND_UPSTREAM if case.behind_is_served else b"")
    assert plain(outcome.upstream) == expected, case
    assert outcome.odd == ()
    assert outcome.statuses == (200,) * (case.replies + case.behind_is_served)
    assert outcome.closed is (case.behind_is_served or case.closes)
    assert plain(portal) == (case.upstream if case.must == "portal" else b"")


@pytest.mark.parametrize("case", [case for case in CASES if not case.forwarded], ids=ids)
def test_what_is_not_is_refused_and_nothing_behind_it_served(
    case: Case, outcomes: dict[str, tuple[Outcome, bytes]]
) -> None:
    outcome, portal = outcomes[case.name]
    assert plain(outcome.upstream) == case.upstream, case
    assert outcome.odd == ()
    assert len(outcome.whole) == case.replies - 1
    assert outcome.closed
    assert portal == b""
    if case.must == "silence":
        assert outcome.replies == b""
        return
    assert outcome.statuses[:-1] == (200,) * (case.replies - 1)
    assert str(outcome.statuses[-1]) == case.must
    assert b"\r\nConnection: close\r\n" in outcome.replies
