"""How long a session may last, and whether it may at all, by policy and by config. Pure.

The earlier one wins: of the policy and the config, of those when the session began and those in
force now. So a reload that shortens is in force at once for who is signed in, and one that
lengthens for who signs in after it.
"""

from collections.abc import Callable
from dataclasses import replace

from gateway.policy.model import Policies, Policy
from gateway.session.model import Session


class Limits:
    """`idle`, `lifetime`: the config's, seconds; `policies`: those in force."""

    def __init__(self, idle: float, lifetime: float, policies: Callable[[], Policies]) -> None:
        self._idle = idle
        self._lifetime = lifetime
        self._policies = policies

    def under(self, policy: Policy | None) -> tuple[float, float]:
        """Idle time and lifetime under a policy, seconds."""
        if policy is None:
            return self._idle, self._lifetime
        return _shorter(self._idle, policy.idle), _shorter(self._lifetime, policy.lifetime)

    def applied(self, session: Session) -> Session:
        """The session, as short as it has to be now."""
        email = session.identity.email
        policy = None if email is None else self._policies().for_email(email)
        idle, lifetime = self.under(policy)
        if session.idle <= idle and session.lifetime <= lifetime:
            return session
        return replace(
            session, idle=min(session.idle, idle), lifetime=min(session.lifetime, lifetime)
        )


def allowed(session: Session, policies: Policies) -> bool:
    """Whether the policies let this person be signed in at all."""
    email = session.identity.email
    return email is not None and policies.refusal(email, session.identity.provider) is None


def _shorter(configured: float, policy: float | None) -> float:
    return configured if policy is None else min(configured, policy)
