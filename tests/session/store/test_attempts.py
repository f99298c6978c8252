"""The rule of waiting; test_named.py has it in both stores."""

import pytest

from gateway.session.store.attempts import Throttle


@pytest.mark.parametrize(
    ("attempts", "wait"),
    [(0, 0), (9, 0), (10, 60), (11, 120), (12, 240), (15, 1920), (16, 3600), (10_000, 3600)],
)
def test_the_wait_doubles_up_to_the_longest(attempts: int, wait: float) -> None:
    assert Throttle(10, 60, 3600, 86400).wait_after(attempts) == wait
