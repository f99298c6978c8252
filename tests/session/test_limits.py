"""How long a session lasts: by policy and config, then and now; the earlier one wins."""

import pytest

from gateway.policy.model import Policies, Policy, Sso
from gateway.session.limits import Limits, allowed
from tests.session.samples import a_session, an_identity


def limits(policy: Policy | None, idle: float = 100.0, lifetime: float = 1000.0) -> Limits:
    policies = Policies({} if policy is None else {"acme.example": policy})
    return Limits(idle, lifetime, lambda: policies)


def policy(idle: float | None = None, lifetime: float | None = None) -> Policy:
    return Policy("acme.example", Sso.ON, idle=idle, lifetime=lifetime)


@pytest.mark.parametrize(
    ("rules", "times"),
    [
        (None, (100.0, 1000.0)),
        (policy(), (100.0, 1000.0)),
        (policy(50.0), (50.0, 1000.0)),
        (policy(None, 500.0), (100.0, 500.0)),
        (policy(200.0, 2000.0), (100.0, 1000.0)),
        (policy(1.0, 2.0), (1.0, 2.0)),
    ],
)
def test_policy_or_config_the_shorter(rules: Policy | None, times: tuple[float, float]) -> None:
    found = limits(rules)
    assert found.under(rules) == times
    session = found.applied(a_session(0.0, idle=9999.0, lifetime=99999.0))
    assert (session.idle, session.lifetime) == times


def test_then_or_now_the_shorter() -> None:
    """A config or a policy that lengthens is for who signs in after it."""
    session = a_session(0.0, idle=50.0, lifetime=500.0)
    assert limits(policy(80.0, 800.0)).applied(session) is session
    assert limits(policy(80.0, 400.0)).applied(session).lifetime == 400.0
    assert limits(policy(80.0, 400.0)).applied(session).idle == 50.0
    assert limits(policy(20.0, 800.0)).applied(session).idle == 20.0


def test_another_domains_policy_and_no_email_change_nothing() -> None:
    found = limits(policy(1.0, 2.0))
    for identity in (an_identity("jo@other.example"), an_identity(None)):
        session = a_session(0.0, identity=identity, idle=50.0, lifetime=500.0)
        assert found.applied(session) is session


def test_allowed_is_by_the_policy_of_the_email() -> None:
    policies = Policies({"acme.example": policy()})
    assert not allowed(a_session(0.0), policies), "Google is not among its providers"
    assert not allowed(a_session(0.0, identity=an_identity(None)), policies)
