"""A logout token -> `Recall`. Pure.

OpenID Connect Back-Channel Logout 1.0, sections 2.4 and 2.6.
"""

from gateway.identity.entra import is_issuer
from gateway.identity.model import IdentityKey, Refused, UnverifiedClaims
from gateway.identity.provenance import (
    LONGEST_NAME,
    SUBJECT,
    Audience,
    Recipient,
    Rules,
    check_provenance,
    read_claims,
)
from gateway.identity.recall import LOGOUT_EVENT, Recall, RecallClaims, check_name
from gateway.reasons import Reason

# It is sent at once, and the specification recommends that it expires in two minutes. As long as
# an ID token may be old.
OLDEST = 600.0

_RULES = Rules(Audience.ALONE, OLDEST, expires=True)


def verify_logout_token(
    unverified: UnverifiedClaims, recipient: Recipient, now: float
) -> Recall | Refused:
    """Every check of a logout token's claims. `now` is Unix seconds."""
    claims = read_claims(RecallClaims, unverified)
    if isinstance(claims, Refused):
        return claims
    issuer = _issuer(claims, recipient)
    return (
        check_provenance(claims, issuer, unverified.key_issuer, recipient, _RULES, now)
        or check_name(claims)
        or _check_event(unverified, claims)
        or _recall(claims, recipient)
    )


def _issuer(claims: RecallClaims, recipient: Recipient) -> str | Refused:
    """For Microsoft with the tenant in it, which nothing else in the token names."""
    if claims.iss is None or not is_issuer(claims.iss, recipient.issuer):
        return Refused(Reason.TOKEN_ISSUER, "iss is not the provider's issuer")
    return claims.iss


def _check_event(unverified: UnverifiedClaims, claims: RecallClaims) -> Refused | None:
    if "nonce" in unverified.claims:
        return Refused(Reason.TOKEN_NONCE, "a logout token has no nonce")
    if claims.events is None or LOGOUT_EVENT not in claims.events:
        return Refused(Reason.TOKEN_EVENT, "events does not say that somebody is signed out")
    return None


def _recall(claims: RecallClaims, recipient: Recipient) -> Recall | Refused:
    if claims.sub is not None and not SUBJECT.fullmatch(claims.sub):
        return Refused(Reason.TOKEN_SUBJECT, "sub is not 1 to 255 ASCII characters")
    if claims.sid is not None and not 0 < len(claims.sid) <= LONGEST_NAME:
        return Refused(Reason.TOKEN_SUBJECT, "sid is empty or too long")
    # Microsoft's `sub` differs per application and is no key of ours.
    key = (
        IdentityKey(recipient.issuer, claims.sub)
        if claims.sub is not None and recipient.kind != "microsoft"
        else None
    )
    if claims.sid is None and key is None:
        return Refused(Reason.TOKEN_SUBJECT, "neither a session nor a person is named")
    soonest = min(claims.exp or 0.0, (claims.iat or 0.0) + OLDEST)
    until = soonest + recipient.clock_skew
    return Recall(key, claims.sid, ("logout",), f"{claims.jti}", until)
