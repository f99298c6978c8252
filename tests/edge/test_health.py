"""What is known of one address: when it is down, when it is tried, when it is up."""

import pytest

from gateway.edge.health import LONGEST_PAUSE, Health
from tests.session.samples import Clock


class Watched:
    """A health with a clock of its own; `turns` has each change: why, and how long it lasted."""

    def __init__(self, interval: float | None = None) -> None:
        self.clock = Clock(0.0)
        self.turns: list[tuple[str, float]] = []
        self.health = Health(
            self.clock, lambda h, lasted: self.turns.append((h.why, lasted)), interval
        )

    def wait_for_a_check(self) -> float:
        """Let time pass in small steps until a check is due; how much passed."""
        start = self.clock.now
        while not self.health.due():
            assert self.clock.pass_by(0.125) - start < 60
        return self.clock.now - start


def test_where_nobody_accepts_it_is_down_at_once_and_once() -> None:
    watched = Watched()
    watched.clock.pass_by(10)
    for _ in range(50):
        watched.health.unreachable("refused")
    assert (watched.health.up, watched.turns) == (False, [("refused", 10)])


def test_silence_counts_the_third_time_in_a_row() -> None:
    watched = Watched()
    for _ in range(2):
        watched.health.silent("no answer")
        watched.health.silent("no answer")
        watched.health.answered()
    assert watched.health.up
    for _ in range(3):
        watched.health.silent("no answer")
    assert watched.turns == [("no answer", 0)]


def test_it_is_tried_less_and_less_often_and_never_seldom() -> None:
    watched = Watched()
    watched.health.unreachable("refused")
    pauses = []
    for _ in range(6):
        pauses.append(watched.wait_for_a_check())
        watched.health.checked("refused")
    assert pauses == [0.25, 0.5, 1, 2, 2, 2]
    assert max(pauses) == LONGEST_PAUSE
    assert len(watched.turns) == 1


def test_one_check_at_a_time() -> None:
    watched = Watched()
    watched.health.unreachable("refused")
    watched.wait_for_a_check()
    watched.clock.pass_by(100)
    assert not watched.health.due()


def test_the_first_success_brings_it_back() -> None:
    watched = Watched()
    watched.health.unreachable("refused")
    watched.wait_for_a_check()
    watched.clock.pass_by(1)
    watched.health.checked("")
    assert watched.health.up
    assert watched.turns == [("refused", 0), ("", 1.25)]


def test_one_that_only_seems_to_work_is_left_alone_longer_each_time() -> None:
    watched = Watched()
    pauses = []
    for _ in range(4):
        for _ in range(3):
            watched.health.silent("closed")
        pauses.append(watched.wait_for_a_check())
        watched.health.checked("")
    assert pauses == [0.25, 0.5, 1, 2]
    watched.health.answered()
    watched.health.unreachable("refused")
    assert watched.wait_for_a_check() == 0.25


def test_an_answer_does_not_bring_it_back() -> None:
    """Who is about to stop answers what it has, and accepts nothing new."""
    watched = Watched()
    watched.health.unreachable("refused")
    watched.health.answered()
    assert not watched.health.up


def test_without_a_page_to_ask_for_nobody_asks() -> None:
    watched = Watched()
    watched.clock.pass_by(1_000_000)
    assert not watched.health.due()


def test_checks_come_at_once_and_then_regularly() -> None:
    watched = Watched(interval=5)
    pauses = []
    for _ in range(3):
        pauses.append(watched.wait_for_a_check())
        watched.health.checked("")
    assert (pauses, watched.turns) == ([0, 5, 5], [])


@pytest.mark.parametrize(
    ("outcomes", "up"),
    [(["503"], True), (["503", ""], True), (["503", "", "503"], True), (["503", "503"], False)],
)
def test_two_failed_checks_in_a_row_are_one_too_many(outcomes: list[str], up: bool) -> None:
    watched = Watched(interval=5)
    for outcome in outcomes:
        watched.wait_for_a_check()
        watched.health.checked(outcome)
    assert watched.health.up is up
