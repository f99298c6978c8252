"""What is done with a request: steps 3 to 7 of "What a request meets, in order". Pure.

The order of the questions is the order of the code, and the last line is a refusal: whatever
nobody thought of is not signed in.
"""

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import assert_never

from gateway.edge.inbound import Inbound, Refusal
from gateway.edge.rules import Rules
from gateway.policy.model import Policies
from gateway.reasons import Reason
from gateway.session.model import Session


class As(Enum):
    """As whom a request is forwarded to upstream."""

    IDENTITY = "identity"
    PASSWORD = "password"  # noqa: S105 - a kind of user, not a secret
    PUBLIC = "public"

    # Every request looks one up; Enum's own hash is a function in Python.
    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class Forward:
    """To upstream: with the identity of the gateway session, as a password user, or as anybody."""

    to: As


@dataclass(frozen=True, slots=True)
class Vouch:
    """To the proxy that asks at /sso/auth: it may forward what it `asked` about, as whom."""

    to: As
    asked: Inbound


@dataclass(frozen=True, slots=True)
class Portal:
    """To the gateway's own pages."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """Not signed in: `next` is where a navigation goes after the sign-in page, `None` for a
    request that no person looks at (401). `form`: a person sent one, and must hear what becomes of
    it."""

    reason: Reason
    next: str | None
    form: bool = False


@dataclass(frozen=True, slots=True)
class Refuse:
    """Not served now."""

    status: int
    reason: Reason


Decision = Forward | Vouch | Portal | SignIn | Refuse

_IDENTITY = Forward(As.IDENTITY)
_PASSWORD = Forward(As.PASSWORD)
_PUBLIC = Forward(As.PUBLIC)
_PORTAL = Portal()
_FOREIGN = Refuse(403, Reason.ORIGIN_FOREIGN)


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Nobody could say whether the browser is signed in; `reason`: which part did not answer."""

    reason: Reason


def decide(
    inbound: Inbound,
    session: Session | Unavailable | None,
    policies: Policies,
    rules: Rules,
    now: float,
) -> Decision:
    """Decide one request. `session`: of our cookie, `None` when there is none or it is not live.
    `now` is Unix seconds."""
    if inbound.for_portal:
        return (
            _PORTAL
            if inbound.asked is None
            else _answer(inbound.asked, session, policies, rules, now)
        )
    reason = Reason.NOT_SIGNED_IN
    if isinstance(session, Session):
        refusal = _refusal(session, policies, now)
        if refusal is None:
            hijacks = inbound.wants_websocket and _hijacks(inbound, rules)
            return _FOREIGN if hijacks else _IDENTITY
        reason = refusal
    elif inbound.fields.cookies.session is not None:
        reason = Reason.SESSION_EXPIRED
    if inbound.fields.password_user:
        return _PASSWORD
    if rules.is_public(inbound.path):
        return _PUBLIC
    if isinstance(session, Unavailable):
        return Refuse(503, session.reason)
    if not inbound.navigation:
        return _sign_in(reason, None, False)
    return _sign_in(reason, _way_back(inbound), inbound.method == "POST")


# To make one costs more than all that was asked before it.
_sign_in = lru_cache(maxsize=256)(SignIn)


def _answer(
    asked: Inbound | Refusal,
    session: Session | Unavailable | None,
    policies: Policies,
    rules: Rules,
    now: float,
) -> Decision:
    """What a proxy is told: the same as would be done with the request it asks about.

    nginx takes no redirect and no other refusal than 401 and 403; docs/forward-auth/nginx.conf
    hands what was refused to us, for the reply that the browser gets.
    """
    nginx = rules.forward_auth == "nginx"
    if isinstance(asked, Refusal):
        return Refuse(403 if nginx else asked.status, asked.reason)
    decision = decide(asked, session, policies, rules, now)
    match decision:
        case Forward(to=somebody):
            return Vouch(somebody, asked)
        case SignIn(reason=reason):
            return SignIn(reason, None) if nginx else decision
        case Refuse(reason=reason):
            return Refuse(403, reason) if nginx else decision
        case Portal() | Vouch():
            # Our own pages are no path of Sonar's.
            return Refuse(403, Reason.NOT_FOUND)
        case _:
            assert_never(decision)


def _refusal(session: Session, policies: Policies, now: float) -> Reason | None:
    """Why a session is not signed in any more, or `None` when it is."""
    if not session.alive(now):
        return Reason.SESSION_EXPIRED
    email = session.identity.email
    if email is None:
        return Reason.EMAIL_MISSING
    return policies.refusal(email, session.identity.provider)


def _hijacks(inbound: Inbound, rules: Rules) -> bool:
    """Whether a page of another origin opens a WebSocket as the person who is looking at it
    (cross-site WebSocket hijacking, RFC 6455 section 10.2). Browsers ask nobody before it, and to a
    neighbouring host of the same site they send SameSite=Lax cookies with it. Hosts are compared
    and not schemes: a proxy may have taken TLS off without saying so."""
    origin = inbound.fields.origin
    if origin is None:
        return False
    _, _, host = origin.lower().partition("://")
    own = (inbound.host, inbound.forwarded_host, rules.public_host)
    return host not in {name.lower() for name in own}


def _way_back(inbound: Inbound) -> str:
    """Where a person goes on after signing in. What was posted is gone then, and to GET where it
    was posted to could do something else: such a request goes on at the front page."""
    return inbound.path + inbound.query if inbound.method in {"GET", "HEAD"} else "/"
