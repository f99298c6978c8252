"""What the supervisor tells of its workers."""

import signal
from collections.abc import Iterator

import pytest

from gateway.operate import totals
from gateway.operate.metrics import Counters, Kind
from gateway.workers.crew import Crew, Member
from gateway.workers.line import pair


@pytest.fixture
def crew() -> Iterator[Crew]:
    """Two workers that are serving at 100 s."""
    crew = Crew(2)
    for number in (1, 2):
        ours, theirs = pair()
        theirs.close()
        member = Member(number, 1000 + number, ours, 90.0, 100.0, state="ok")
        crew.joins(member)
        crew.places[number] = member
    yield crew
    for member in crew.members.values():
        member.line.close()


def member(crew: Crew, number: int) -> Member:
    holder = crew.places[number]
    assert isinstance(holder, Member)
    return holder


def dies(crew: Crew, number: int, due: float, code: int = 1) -> Member:
    one = member(crew, number)
    one.line.close()
    crew.leaves(one, code)
    crew.places[number] = due
    return one


@pytest.mark.parametrize(
    ("code", "said", "why"),
    [
        (-signal.SIGKILL, "", "killed by SIGKILL"),
        (-(signal.SIGRTMIN + 3), "", f"killed by signal {signal.SIGRTMIN + 3}"),
        (-signal.SIGTERM, "its own words", "its own words"),
        (1, "", ""),
    ],
)
def test_why_one_ended(crew: Crew, code: int, said: str, why: str) -> None:
    if said:
        member(crew, 1).hear({"failed": said}, 101.0)
    assert dies(crew, 1, 104.0, code).words == why


def test_ready_while_all_serve(crew: Crew) -> None:
    told = crew.tell(101.0)
    assert told["ready"]
    assert told["parts"] == {"worker 1": "ok", "worker 2": "ok"}
    assert told["pids"] == {"worker 1": 1001, "worker 2": 1002}
    assert crew.vacant(101.0) == []


def test_ready_while_one_serves(crew: Crew) -> None:
    """The others take its connections: leaving the balancer would send everybody away."""
    dies(crew, 1, 104.0)
    told = crew.tell(101.0)
    assert told["ready"]
    assert told["parts"] == {"worker 1": "ended; another one in 3 s", "worker 2": "ok"}
    assert crew.vacant(101.0) == [1]


def test_not_ready_when_nobody_serves(crew: Crew) -> None:
    dies(crew, 1, 104.0)
    member(crew, 2).hear({"state": "starting"}, 101.0)
    assert not crew.tell(101.0)["ready"]


def test_not_ready_when_stopping(crew: Crew) -> None:
    crew.stopping = True
    assert not crew.tell(101.0)["ready"]
    assert crew.tell(101.0)["parts"] == {"gateway": "stopping, as told"}


def test_one_that_is_silent_does_not_serve_until_it_is_heard(crew: Crew) -> None:
    member(crew, 2).hear({"counted": []}, 105.0)
    assert crew.vacant(105.0) == [1]
    assert crew.tell(105.0)["parts"]["worker 1"] == "silent for 5 s"
    member(crew, 1).hear({"counted": []}, 106.0)
    assert crew.vacant(106.0) == []


def test_what_was_counted_is_never_less(crew: Crew) -> None:
    """Also when who counted it is gone; what it held is gone with it."""

    def said(requests: int, connections: int) -> totals.Snapshot:
        counters = Counters()
        counters.requests[Kind.PUBLIC, 2] += requests
        counters.connections_open = connections
        return totals.snapshot(counters)

    def counted() -> tuple[float, float]:
        families = {metric.name: metric for metric in totals.metrics(crew.tell(101.0)["counted"])}
        requests = families["sonar_gateway_requests"].samples
        connections = families.get("sonar_gateway_connections_open")
        held = 0 if connections is None else connections.samples[0].value
        return sum(sample.value for sample in requests), held

    member(crew, 1).hear({"counted": said(5, 3)}, 101.0)
    member(crew, 2).hear({"counted": said(7, 4)}, 101.0)
    assert counted() == (12, 7)
    dies(crew, 1, 0.0)
    assert counted() == (12, 4)
    dies(crew, 2, 0.0)
    assert counted() == (12, 0)
