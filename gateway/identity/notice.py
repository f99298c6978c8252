"""What a provider tells of its own accord: somebody is signed out there, or an account is in
trouble. Its claims, and the checks that every kind of it has to pass. Pure.

Anybody can send one, so each rule is demanded, as of ID tokens (claims.py). All three are signed
with the same keys, and this tells them apart, whatever their headers call them (RFC 8725 section
3.12): an ID token has a `nonce` and no `events`; a logout token has the one event of its kind and
never a `nonce`; the events of a security event token are others.
"""

import re
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError

from gateway.identity.claims import UnverifiedClaims
from gateway.identity.model import IdentityKey, Kind, Refused
from gateway.reasons import Reason

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"

# OpenID Connect Core section 2.
SUBJECT = re.compile(r"[\x21-\x7e]{1,255}")

# `jti` and `sid` as providers make them have 20 to 40 characters.
LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class Recipient:
    """What a notice must say to be this provider's, and for us. `issuer` is the discovery
    document's, for Microsoft perhaps with `{tenantid}` in it; `clock_skew` in seconds."""

    kind: Kind
    issuer: str
    client_id: str
    clock_skew: float


@dataclass(frozen=True, slots=True)
class Notice:
    """Whose sessions end: those that came of the provider's session `sid`; without one, all of the
    identity `key`; with neither, none.

    `what` names the events. `jti` names the notice, and it would be believed again until `until`
    (Unix seconds).
    """

    key: IdentityKey | None
    sid: str | None
    what: tuple[str, ...]
    jti: str
    until: float


class Claims(BaseModel):
    """The claims of every kind, each of exactly the type its specification gives it, or absent."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)

    iss: str | None = None
    aud: str | list[str] | None = None
    azp: str | None = None
    iat: float | None = None
    exp: float | None = None
    nbf: float | None = None
    jti: str | None = None
    sub: str | None = None
    sid: str | None = None
    events: dict[str, dict[str, object]] | None = None


def read_claims(unverified: UnverifiedClaims) -> Claims | Refused:
    try:
        return Claims.model_validate(unverified.claims)
    except ValidationError as error:
        names = sorted({str(problem["loc"][0]) for problem in error.errors() if problem["loc"]})
        return Refused(Reason.TOKEN_MALFORMED, f"claims of a wrong type: {', '.join(names)}")


def check_key(key_issuer: str | None, issuer: str) -> Refused | None:
    """A key that says whose it is speaks for nobody else."""
    if key_issuer is not None and key_issuer != issuer:
        return Refused(Reason.TOKEN_KEY_ISSUER, "the signing key is another issuer's")
    return None


def check_issued(claims: Claims, oldest: float, skew: float, now: float) -> Refused | None:
    """An old notice is one that somebody kept; `jti` is remembered for as long as this lets by."""
    if claims.iat is None or not now - oldest - skew < claims.iat < now + skew:
        return Refused(Reason.TOKEN_ISSUED_AT, "iat is absent, too old or in the future")
    return None


def check_name(claims: Claims) -> Refused | None:
    """Without `jti` nobody could tell that it comes a second time."""
    if not claims.jti or len(claims.jti) > LONGEST_NAME:
        return Refused(Reason.TOKEN_MALFORMED, "jti is absent or too long")
    return None
