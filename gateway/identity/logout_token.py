"""A logout token -> `Notice`. Pure.

OpenID Connect Back-Channel Logout 1.0, sections 2.4 and 2.6.
"""

import re

from gateway.identity.claims import UnverifiedClaims
from gateway.identity.entra import GUID, TENANT_PLACEHOLDER
from gateway.identity.model import IdentityKey, Refused
from gateway.identity.notice import (
    LOGOUT_EVENT,
    LONGEST_NAME,
    SUBJECT,
    Claims,
    Notice,
    Recipient,
    check_issued,
    check_key,
    check_name,
    read_claims,
)
from gateway.reasons import Reason

# It is sent at once, and the specification recommends that it expires in two minutes. As long as
# an ID token may be old.
OLDEST = 600.0


def verify_logout_token(
    unverified: UnverifiedClaims, recipient: Recipient, now: float
) -> Notice | Refused:
    """Every check of a logout token's claims. The signature is already right, the algorithm was
    allowed, the key the provider's and the type `logout+jwt` (token.py). `now` is Unix seconds."""
    claims = read_claims(unverified)
    if isinstance(claims, Refused):
        return claims
    return (
        _check_issuer(claims, recipient, unverified.key_issuer)
        or _check_audience(claims, recipient)
        or _check_times(claims, recipient.clock_skew, now)
        or check_name(claims)
        or _check_event(unverified, claims)
        or _notice(claims, recipient)
    )


def _check_issuer(claims: Claims, recipient: Recipient, key_issuer: str | None) -> Refused | None:
    """The issuer, and that the key may speak for it. For Microsoft the tenant in `iss` has to be
    the key's, too: one tenant's key must not sign out another's people."""
    named, issuer = claims.iss or "", recipient.issuer
    if TENANT_PLACEHOLDER not in issuer:
        if named != issuer:
            return Refused(Reason.TOKEN_ISSUER, "iss is not the provider's issuer")
        return check_key(key_issuer, issuer)
    before, _, after = issuer.partition(TENANT_PLACEHOLDER)
    tenant = re.fullmatch(rf"{re.escape(before)}({GUID}){re.escape(after)}", named)
    if tenant is None:
        return Refused(Reason.TOKEN_ISSUER, "iss is not the provider's issuer")
    if key_issuer is None:
        return Refused(Reason.TOKEN_KEY_ISSUER, "the signing key names no issuer")
    return check_key(key_issuer.replace(TENANT_PLACEHOLDER, tenant[1]), named)


def _check_audience(claims: Claims, recipient: Recipient) -> Refused | None:
    """For this client and nobody else: whoever gets the same token could send it here."""
    if claims.aud not in (recipient.client_id, [recipient.client_id]):
        return Refused(Reason.TOKEN_AUDIENCE, "aud is not this client alone")
    if claims.azp is not None and claims.azp != recipient.client_id:
        return Refused(Reason.TOKEN_AUTHORIZED_PARTY, "azp is not this client")
    return None


def _check_times(claims: Claims, skew: float, now: float) -> Refused | None:
    if claims.exp is None or claims.exp <= now - skew:
        return Refused(Reason.TOKEN_EXPIRED, "exp is absent or past")
    if claims.nbf is not None and claims.nbf >= now + skew:
        return Refused(Reason.TOKEN_ISSUED_AT, "nbf is in the future")
    return check_issued(claims, OLDEST, skew, now)


def _check_event(unverified: UnverifiedClaims, claims: Claims) -> Refused | None:
    if "nonce" in unverified.claims:
        return Refused(Reason.TOKEN_NONCE, "a logout token has no nonce")
    if claims.events is None or LOGOUT_EVENT not in claims.events:
        return Refused(Reason.TOKEN_EVENT, "events does not say that somebody is signed out")
    return None


def _notice(claims: Claims, recipient: Recipient) -> Notice | Refused:
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
    return Notice(key, claims.sid, ("logout",), f"{claims.jti}", until)
