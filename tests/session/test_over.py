"""Which sessions are over, and for how long that is remembered."""

import pytest

from gateway.session.over import Over
from tests.session.samples import Clock


@pytest.fixture
def over(clock: Clock) -> Over:
    return Over(clock)


def test_an_ending_is_remembered_for_ten_minutes(over: Over, clock: Clock) -> None:
    over.ended("a")
    assert over.has("a", clock.pass_by(599))
    assert over.remembered() == ("a",)
    assert not over.has("a", clock.pass_by(2))
    assert over.remembered() == ()


def test_what_the_store_has_no_more_is_so_for_a_moment(over: Over, clock: Clock) -> None:
    over.missed("a")
    assert over.has("a", clock.pass_by(4))
    assert not over.has("a", clock.pass_by(2))


def test_what_the_store_must_hear_is_over_until_it_is_told(over: Over, clock: Clock) -> None:
    over.is_to_end("a")
    assert over.has("a", clock.pass_by(100_000))
    assert over.untold() == ("a",)
    over.told("a")
    assert over.untold() == ()
    assert over.has("a", clock.pass_by(599))
    assert not over.has("a", clock.pass_by(2))


def test_news_does_not_say_that_the_store_has_taken_it(over: Over, clock: Clock) -> None:
    over.is_to_end("a")
    over.ended("a")
    assert over.untold() == ("a",)
    assert over.has("a", clock.pass_by(601))


def test_memory_is_bounded_and_the_latest_stay(over: Over, clock: Clock) -> None:
    for number in range(10_050):
        over.ended(f"{number}")
        over.missed(f"missed {number}")
    over.ended("50")
    over.ended("another")
    assert len(over.remembered()) == len(over._missed) == 10_000
    assert [over.has(f"{number}", clock()) for number in (49, 50, 51, 52, 10_049)] == [
        False, True, False, True, True
    ]  # fmt: skip
    assert not over.has("missed 49", clock())
    assert over.has("missed 50", clock())


def test_what_the_store_must_hear_is_not_crowded_out(over: Over, clock: Clock) -> None:
    """A sweep that ends everybody refuses everybody at once."""
    for number in range(10_050):
        over.is_to_end(f"{number}")
    assert over.has("0", clock())
    assert len(over.untold()) == 10_050
