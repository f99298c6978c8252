"""When a session ends."""

import pytest

from tests.session.samples import a_session


@pytest.mark.parametrize(
    ("idle", "lifetime", "at", "alive", "over"),
    [
        (100, 1000, 0, True, False),
        (100, 1000, 99.9, True, False),
        (100, 1000, 100, False, False),
        (100, 50, 49.9, True, False),
        (100, 50, 50, False, True),
        (100, 1000, 1000, False, True),
    ],
)
def test_idle_or_lifetime_the_earlier(
    idle: float, lifetime: float, at: float, alive: bool, over: bool
) -> None:
    session = a_session(0.0, idle=idle, lifetime=lifetime)
    assert session.ends() == min(idle, lifetime)
    assert session.alive(at) is alive
    assert session.over(at) is over
