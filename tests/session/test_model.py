"""When a session ends."""

from dataclasses import replace

import pytest

from tests.session.samples import a_session, an_identity


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


def test_proved_is_the_latest_proof_whoever_took_it() -> None:
    identity = replace(an_identity(), auth_time=500.0)
    session = a_session(1000.0, identity=identity)
    assert (session.proved, session.auth_time) == (500.0, 500.0)
    typed = replace(session, password_at=900.0)
    assert (typed.proved, typed.auth_time) == (900.0, 900.0)
    renewed = replace(typed, identity=replace(identity, auth_time=950.0))
    assert (renewed.proved, renewed.auth_time) == (950.0, 950.0)


def test_a_proof_that_nobody_spoke_of_is_not_made_up() -> None:
    session = a_session(1000.0, identity=replace(an_identity(), auth_time=None))
    assert session.proved is None
    assert session.auth_time == 1000.0
