"""A security event token -> `Recall`: RFC 8417, as Google sends them by RISC. Pure.

https://developers.google.com/identity/protocols/risc
"""

from collections.abc import Mapping

from gateway.identity.model import IdentityKey, Refused, UnverifiedClaims
from gateway.identity.provenance import (
    SUBJECT,
    Audience,
    Recipient,
    Rules,
    check_provenance,
    read_claims,
)
from gateway.identity.recall import LOGOUT_EVENT, Recall, RecallClaims, check_name
from gateway.reasons import Reason

_RISC = "https://schemas.openid.net/secevent/risc/event-type/"
_OAUTH = "https://schemas.openid.net/secevent/oauth/event-type/"

# After these nobody may go on by what Google said before. Whether somebody may sign in anew is
# Google's to decide, which lets nobody into a disabled account: nothing is kept here that somebody
# would have to take back.
ENDING: Mapping[str, str] = {
    f"{_RISC}sessions-revoked": "sessions-revoked",
    f"{_OAUTH}tokens-revoked": "tokens-revoked",
    f"{_RISC}account-disabled": "account-disabled",
    f"{_RISC}account-purged": "account-purged",
    f"{_RISC}account-credential-change-required": "account-credential-change-required",
}
# These end nothing: a test that an operator asked for, an account that is back, and the end of one
# refresh token, which shows when it is used.
OTHERS: Mapping[str, str] = {
    f"{_RISC}verification": "verification",
    f"{_RISC}account-enabled": "account-enabled",
    f"{_OAUTH}token-revoked": "token-revoked",
}
_KNOWN = {**ENDING, **OTHERS}

# It tells of what has happened and never expires; Google sends it again for some hours while nobody
# takes it. After three days it is somebody else who sends it.
OLDEST = 3 * 86400.0

# One event goes to all clients of a project at Google, of which this is one.
_RULES = Rules(Audience.AMONG, OLDEST, expires=False)


def verify_security_event(
    unverified: UnverifiedClaims, recipient: Recipient, now: float
) -> Recall | Refused:
    """Every check of a security event token's claims. `now` is Unix seconds."""
    claims = read_claims(RecallClaims, unverified)
    if isinstance(claims, Refused):
        return claims
    issuer = _issuer(claims, recipient)
    return (
        check_provenance(claims, issuer, unverified.key_issuer, recipient, _RULES, now)
        or check_name(claims)
        or _check_events(claims)
        or _recall(claims, recipient)
    )


def _issuer(claims: RecallClaims, recipient: Recipient) -> str | Refused:
    if claims.iss not in _names(recipient.issuer):
        return Refused(Reason.TOKEN_ISSUER, "iss is not the provider's issuer")
    return recipient.issuer


def _names(issuer: str) -> tuple[str, str]:
    """Google's documentation names its issuer with and without a slash at the end."""
    return issuer, f"{issuer}/"


def _check_events(claims: RecallClaims) -> Refused | None:
    if not claims.events or LOGOUT_EVENT in claims.events:
        return Refused(Reason.TOKEN_EVENT, "events has no security event")
    return None


def _recall(claims: RecallClaims, recipient: Recipient) -> Recall | Refused:
    """An event that nobody here knows ends nothing, and is no fault of the sender's."""
    events = claims.events or {}
    subjects = {_subject(body, claims, recipient) for uri, body in events.items() if uri in ENDING}
    if None in subjects or len(subjects) > 1:
        # RFC 8417 section 2.2: all events of a token are about one subject.
        return Refused(Reason.TOKEN_SUBJECT, "the events do not name one account at the provider")
    what = tuple(sorted({_KNOWN.get(uri, "unknown") for uri in events}))
    until = (claims.iat or 0.0) + OLDEST + recipient.clock_skew
    return Recall(next(iter(subjects), None), None, what, f"{claims.jti}", until)


def _subject(
    body: Mapping[str, object], claims: RecallClaims, recipient: Recipient
) -> IdentityKey | None:
    """The account that an event is about: issuer and subject, as its ID tokens have them."""
    subject = body.get("subject")
    if not isinstance(subject, dict):
        return None
    issuer, name = subject.get("iss", claims.iss), subject.get("sub")
    if issuer not in _names(recipient.issuer) or not isinstance(name, str):
        return None
    return IdentityKey(recipient.issuer, name) if SUBJECT.fullmatch(name) else None
