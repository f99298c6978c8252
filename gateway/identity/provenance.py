"""Whose a token is, for whom, and of when: what each of a provider's tokens has to show. Pure.

    read_claims        each claim of exactly its type, or absent
    check_provenance   the issuer, the key's own issuer, the audience, the times

A library's defaults skip a check when a value is absent; here absence refuses. One order for ID
tokens (claims.py), logout tokens and security events; `Rules` says where they differ, and nothing
else does. The signature is already right, the algorithm was allowed, the key the provider's and the
header's type the wanted one (token.py).

All three are signed with the same keys, and their claims tell them apart, whatever their headers
call them (RFC 8725 section 3.12): an ID token has a `nonce` and no `events`; a logout token has the
one event of its kind and never a `nonce`; the events of a security event token are others.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from gateway.identity.entra import TENANT_PLACEHOLDER, is_issuer
from gateway.identity.model import Kind, Refused, UnverifiedClaims
from gateway.reasons import Reason

# OpenID Connect Core section 2: `sub` has at most 255 ASCII characters.
SUBJECT = re.compile(r"[\x21-\x7e]{1,255}")

# `sid` and `jti` as providers make them have 20 to 40 characters. The `sid` of an ID token travels
# in a cookie while an account is chosen.
LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class Recipient:
    """What a token must say to be this provider's, and for us. `issuer` is the discovery
    document's, for Microsoft perhaps with `{tenantid}` in it. `clock_skew`: how far the provider's
    clock and ours may be apart, seconds."""

    kind: Kind
    issuer: str
    client_id: str
    clock_skew: float


class Audience(Enum):
    """For whom a token may be."""

    ALONE = auto()
    """For this client and nobody else: whoever gets the same token could send it here."""
    PARTY = auto()
    """For this client, and for others only if `azp` says that it was made for this one."""
    AMONG = auto()
    """For this client among any others."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Where one kind of token differs. `oldest`: since when it may have been issued, seconds;
    `expires`: it has to say until when it is good."""

    audience: Audience
    oldest: float
    expires: bool


class Claims(BaseModel):
    """What every kind may claim, each of exactly the type its specification gives it, or absent."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)

    iss: str | None = None
    aud: str | list[str] | None = None
    azp: str | None = None
    exp: float | None = None
    iat: float | None = None
    nbf: float | None = None
    sub: str | None = None
    sid: str | None = None


_Claims = TypeVar("_Claims", bound=Claims)


def read_claims(model: type[_Claims], unverified: UnverifiedClaims) -> _Claims | Refused:
    """The claims as `model` has them; others are nobody's business."""
    try:
        return model.model_validate(unverified.claims)
    except ValidationError as error:
        names = sorted({str(problem["loc"][0]) for problem in error.errors() if problem["loc"]})
        return Refused(Reason.TOKEN_MALFORMED, f"claims of a wrong type: {', '.join(names)}")


def check_provenance(
    claims: Claims,
    issuer: str | Refused,
    key_issuer: str | None,
    recipient: Recipient,
    rules: Rules,
    now: float,
) -> Refused | None:
    """Every check of where a token comes from. `issuer`: whose it is by its own claims, which each
    kind says in another way; `key_issuer`: whose the key is that signed it, where the provider says
    so. `now` is Unix seconds."""
    if isinstance(issuer, Refused):
        return issuer
    return (
        _check_key(key_issuer, issuer, recipient.issuer)
        or _check_audience(claims, recipient.client_id, rules.audience)
        or _check_times(claims, rules, recipient.clock_skew, now)
    )


def _check_key(key_issuer: str | None, issuer: str, published: str) -> Refused | None:
    """A key that says whose it is speaks for nobody else: one tenant's must not speak for another's
    people. https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-the-issuer.
    """
    if key_issuer is None:
        # One key set for all tenants: a key that does not say whose it is speaks for none.
        if TENANT_PLACEHOLDER in published:
            return Refused(Reason.TOKEN_KEY_ISSUER, "the signing key names no issuer")
    elif not is_issuer(issuer, key_issuer):
        return Refused(Reason.TOKEN_KEY_ISSUER, "the signing key is another issuer's")
    return None


def _check_audience(claims: Claims, client_id: str, audience: Audience) -> Refused | None:
    """A token made for another application must not do anything here."""
    named = [claims.aud] if isinstance(claims.aud, str) else claims.aud or []
    if client_id not in named:
        return Refused(Reason.TOKEN_AUDIENCE, "aud is not this client")
    if audience is Audience.AMONG:
        return None
    if len(named) > 1 and audience is Audience.ALONE:
        return Refused(Reason.TOKEN_AUDIENCE, "aud is not this client alone")
    if len(named) > 1 and claims.azp is None:
        return Refused(Reason.TOKEN_AUTHORIZED_PARTY, "several audiences and no azp")
    if claims.azp not in {None, client_id}:
        return Refused(Reason.TOKEN_AUTHORIZED_PARTY, "azp is not this client")
    return None


def _check_times(claims: Claims, rules: Rules, skew: float, now: float) -> Refused | None:
    """An old token is one that somebody kept."""
    if rules.expires and (claims.exp is None or claims.exp <= now - skew):
        return Refused(Reason.TOKEN_EXPIRED, "exp is absent or past")
    if claims.iat is None or not now - rules.oldest - skew < claims.iat <= now + skew:
        return Refused(Reason.TOKEN_ISSUED_AT, "iat is absent, too old or in the future")
    if claims.nbf is not None and claims.nbf > now + skew:
        return Refused(Reason.TOKEN_ISSUED_AT, "nbf is in the future")
    return None
