"""When a session ends, and by what it is found when it is to."""

from dataclasses import replace
from itertools import combinations

import pytest

from gateway.identity.model import IdentityKey
from gateway.session.model import account_label, identity_label, link_label, provider_label
from tests.session.samples import a_session, an_account, an_identity


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


def test_labels_are_of_its_identity_its_account_and_the_provider_s_session() -> None:
    identity = an_identity(sid="a-session-there")
    assert a_session(0.0, identity=identity, account=an_account("jo")).labels() == (
        identity_label(identity.key),
        account_label("id-jo"),
        link_label(identity.key, "id-jo"),
        provider_label("google", "a-session-there"),
    )


def test_without_a_session_named_by_the_provider_there_is_no_label_for_it() -> None:
    assert len(a_session(0.0).labels()) == 3


def test_no_label_can_be_mistaken_for_another() -> None:
    labels = [
        identity_label(IdentityKey("a", "b")),
        identity_label(IdentityKey("ab", "")),
        identity_label(IdentityKey("", "ab")),
        identity_label(IdentityKey("b", "a")),
        identity_label(IdentityKey("a b", "")),
        identity_label(IdentityKey('a", "b', "")),
        link_label(IdentityKey("a", "b"), ""),
        link_label(IdentityKey("a", ""), "b"),
        provider_label("a", "b"),
        provider_label("ab", ""),
        provider_label("a\0b", ""),
        account_label("a"),
        account_label("ab"),
        account_label('["a", "b"]'),
        account_label("Ä"),
        account_label("\\u00c4"),
        account_label("\ud800"),
    ]
    assert all(one != other for one, other in combinations(labels, 2))
    assert all(label.isalnum() for label in labels)
