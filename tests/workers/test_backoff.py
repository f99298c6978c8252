"""How long a dead worker is waited for."""

from gateway.workers.backoff import Backoff


def test_one_that_has_served_is_replaced_at_once() -> None:
    backoff = Backoff()
    assert [backoff.after(3600.0) for _ in range(5)] == [0.0] * 5


def test_one_that_dies_again_and_again_is_waited_for_longer_and_longer() -> None:
    backoff = Backoff()
    waits = [backoff.after(0.1) for _ in range(10)]
    assert waits == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_serving_for_a_while_begins_anew() -> None:
    backoff = Backoff()
    for _ in range(6):
        backoff.after(0.1)
    assert backoff.after(11.0) == 0.0
    assert backoff.after(0.1) == 0.5
