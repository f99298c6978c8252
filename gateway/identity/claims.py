"""Who the provider says this is. The only place where `UnverifiedClaims` become an `Identity`."""

import hmac
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError

from gateway.email import Email, InvalidEmail
from gateway.identity.entra import CONSUMER_TENANT, GUID, TENANT_PLACEHOLDER
from gateway.identity.model import (
    GoogleVoucher,
    Identity,
    IdentityKey,
    Kind,
    MicrosoftVoucher,
    Refused,
    StandardVoucher,
    Voucher,
)
from gateway.reasons import Reason


@dataclass(frozen=True, slots=True)
class UnverifiedClaims:
    """The payload of an ID token whose signature is right, and nothing else about it known.

    `key_issuer` is the `issuer` member of the signing key, which Entra's key sets carry.
    """

    claims: Mapping[str, object]
    key_issuer: str | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """What an ID token must say to be the answer to one sign-in, or to a refresh.

    `issuer` is the discovery document's, for Microsoft perhaps with `{tenantid}` in it. `nonce` is
    `None` for a refresh: no browser carried the answer (OpenID Connect Core section 12.2).
    `clock_skew`: how far the provider's clock and ours may be apart, seconds. `tenant` is the one
    in Microsoft's discovery URL (`organizations`, a GUID, …), elsewhere `None`.
    """

    provider: str
    kind: Kind
    issuer: str
    client_id: str
    nonce: str | None
    clock_skew: float
    tenant: str | None = None


# An ID token is asked for right after the sign-in, so an old one is somebody else's. Entra dates
# its tokens five minutes back; twice that, and as long as a transaction lives.
OLDEST = 600.0

_GUID = re.compile(GUID)

# OpenID Connect Core section 2: `sub` has at most 255 ASCII characters.
_SUBJECT = re.compile(r"[\x21-\x7e]{1,255}")

_LONGEST_NAME = 200
# It travels in a cookie while an account is chosen; providers make it of some thirty characters.
_LONGEST_SID = 255
# Entra's have about a hundred.
_LONGEST_HINT = 512


class _Claims(BaseModel):
    """The claims we read, each of exactly the type its specification gives it, or absent."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)

    iss: str | None = None
    aud: str | list[str] | None = None
    azp: str | None = None
    nonce: str | None = None
    exp: float | None = None
    iat: float | None = None
    nbf: float | None = None
    auth_time: float | None = None
    sub: str | None = None
    sid: str | None = None
    login_hint: str | None = None
    tid: str | None = None
    oid: str | None = None
    email: str | None = None
    hd: str | None = None
    name: str | None = None
    # Providers send these in more than one type; anything but the known yes is a no.
    email_verified: object = None
    xms_edov: object = None


def verify_claims(
    unverified: UnverifiedClaims, expected: Expected, now: float
) -> Identity | Refused:
    """Every check of an ID token's claims (OpenID Connect Core section 3.1.3.7), each demanded.

    A library's defaults skip a check when a value is absent; here absence refuses. The signature
    is already right, the algorithm was allowed and the key the provider's (token.py). `now` is
    Unix seconds.
    """
    try:
        claims = _Claims.model_validate(unverified.claims)
    except ValidationError as error:
        names = sorted({str(problem["loc"][0]) for problem in error.errors() if problem["loc"]})
        return Refused(Reason.TOKEN_MALFORMED, f"claims of a wrong type: {', '.join(names)}")
    if "events" in unverified.claims:
        # A logout token or a security event, signed with the same keys (RFC 8725 section 3.12).
        return Refused(Reason.TOKEN_MALFORMED, "a token that tells of events is no ID token")
    return (
        _check_issuer(claims, expected, unverified.key_issuer)
        or _check_audience(claims, expected)
        or _check_nonce(claims, expected)
        or _check_times(claims, expected.clock_skew, now)
        or _identity(claims, expected)
    )


def _check_issuer(claims: _Claims, expected: Expected, key_issuer: str | None) -> Refused | None:
    if expected.kind == "microsoft":
        return _check_microsoft_issuer(claims, expected, key_issuer)
    accepted = {expected.issuer}
    if expected.kind == "google" and expected.issuer == "https://accounts.google.com":
        # https://developers.google.com/identity/openid-connect/openid-connect#validatinganidtoken
        accepted.add("accounts.google.com")
    if claims.iss not in accepted:
        return Refused(Reason.TOKEN_ISSUER, "iss is not the provider's issuer")
    if key_issuer is not None and key_issuer != expected.issuer:
        return Refused(Reason.TOKEN_KEY_ISSUER, "the signing key is another issuer's")
    return None


def _check_microsoft_issuer(
    claims: _Claims, expected: Expected, key_issuer: str | None
) -> Refused | None:
    """Any Entra tenant may sign tokens with its own issuer; the token's `tid` says which it is.

    The issuer is compared whole, never by prefix or pattern: the template filled with a `tid` that
    is a GUID has exactly one form. A signing key that belongs to one tenant must not speak for
    another, so the key's own `issuer` is compared in the same way:
    https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-the-issuer.
    """
    tenant = claims.tid
    if tenant is None or not _GUID.fullmatch(tenant):
        return Refused(Reason.TOKEN_TENANT, "tid is not a GUID")
    if expected.tenant == "organizations" and tenant == CONSUMER_TENANT:
        return Refused(Reason.TOKEN_TENANT, "a personal account, but only organizations may")
    issuer = expected.issuer.replace(TENANT_PLACEHOLDER, tenant)
    if claims.iss != issuer:
        return Refused(Reason.TOKEN_ISSUER, "iss is not the provider's issuer for this tid")
    if not issuer.endswith(f"/{tenant}/v2.0"):
        return Refused(Reason.TOKEN_TENANT, "tid is not the issuer's tenant")
    if key_issuer is None:
        # One key set for all tenants: a key that does not say whose it is speaks for none.
        if TENANT_PLACEHOLDER in expected.issuer:
            return Refused(Reason.TOKEN_KEY_ISSUER, "the signing key names no issuer")
    elif key_issuer.replace(TENANT_PLACEHOLDER, tenant) != issuer:
        return Refused(Reason.TOKEN_KEY_ISSUER, "the signing key is another issuer's")
    return None


def _check_audience(claims: _Claims, expected: Expected) -> Refused | None:
    """A token made for another application must not sign anybody in here."""
    audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud or []
    if expected.client_id not in audiences:
        return Refused(Reason.TOKEN_AUDIENCE, "aud is not this client")
    if claims.azp is None and len(audiences) > 1:
        return Refused(Reason.TOKEN_AUTHORIZED_PARTY, "several audiences and no azp")
    if claims.azp is not None and claims.azp != expected.client_id:
        return Refused(Reason.TOKEN_AUTHORIZED_PARTY, "azp is not this client")
    return None


def _check_nonce(claims: _Claims, expected: Expected) -> Refused | None:
    """A token from another sign-in, injected into this one, carries another nonce."""
    if expected.nonce is None:
        return None
    if claims.nonce is None or not hmac.compare_digest(
        claims.nonce.encode("utf-8", "replace"), expected.nonce.encode()
    ):
        return Refused(Reason.TOKEN_NONCE, "nonce is not this sign-in's")
    return None


def _check_times(claims: _Claims, skew: float, now: float) -> Refused | None:
    if claims.exp is None or claims.exp <= now - skew:
        return Refused(Reason.TOKEN_EXPIRED, "exp is absent or past")
    if claims.iat is None or not now - OLDEST - skew < claims.iat <= now + skew:
        return Refused(Reason.TOKEN_ISSUED_AT, "iat is absent, too old or in the future")
    if claims.nbf is not None and claims.nbf > now + skew:
        return Refused(Reason.TOKEN_ISSUED_AT, "nbf is in the future")
    if claims.auth_time is not None and claims.auth_time > now + skew:
        return Refused(Reason.TOKEN_ISSUED_AT, "auth_time is in the future")
    return None


def _identity(claims: _Claims, expected: Expected) -> Identity | Refused:
    """The identity in claims that passed every check of where they come from."""
    key, email, voucher = _key(claims, expected), _email(claims), _voucher(claims, expected)
    if isinstance(key, Refused):
        return key
    if isinstance(email, Refused):
        return email
    if isinstance(voucher, Refused):
        return voucher
    if claims.sid is not None and len(claims.sid) > _LONGEST_SID:
        return Refused(Reason.TOKEN_MALFORMED, f"sid has more than {_LONGEST_SID} characters")
    hint = claims.login_hint
    if hint is not None and not 0 < len(hint) <= _LONGEST_HINT:
        # Without it the provider asks who leaves; nobody is kept out for that.
        hint = None
    name, at = _name(claims, email), claims.auth_time
    return Identity(key, expected.provider, email, voucher, name, at, claims.sid or None, hint)


def _key(claims: _Claims, expected: Expected) -> IdentityKey | Refused:
    if claims.sub is None or not _SUBJECT.fullmatch(claims.sub):
        return Refused(Reason.TOKEN_SUBJECT, "sub is absent or not 1 to 255 ASCII characters")
    if expected.kind != "microsoft":
        # Not `claims.iss`: Google's two forms of its issuer are one person, not two.
        return IdentityKey(expected.issuer, claims.sub)
    if claims.oid is None or not _GUID.fullmatch(claims.oid):
        return Refused(Reason.TOKEN_SUBJECT, "oid is not a GUID; it needs the scope profile")
    return IdentityKey(f"{claims.iss}", f"{claims.tid}.{claims.oid}")


def _email(claims: _Claims) -> Email | Refused | None:
    if not claims.email:
        return None
    # An address in a token is ASCII (RFC 5322 addr-spec). What IDNA would map to another domain
    # (`faß.example` to `fass.example`) would let the owner of the one pass for the other.
    if claims.email.isascii():
        with suppress(InvalidEmail):
            return Email.parse(claims.email)
    return Refused(Reason.TOKEN_EMAIL, "email is not an address that has only one reading")


def _voucher(claims: _Claims, expected: Expected) -> Voucher | Refused:
    match expected.kind:
        case "google":
            hosted = claims.hd
            if hosted is not None:
                if not hosted.isascii():
                    return Refused(Reason.TOKEN_MALFORMED, "hd is not a domain name")
                hosted = hosted.lower()
            return GoogleVoucher(_is_yes(claims.email_verified), hosted)
        case "microsoft":
            # The optional claim comes as a boolean, a number or a text, by token version.
            verified = _is_yes(claims.xms_edov) or _is_one(claims.xms_edov)
            return MicrosoftVoucher(f"{claims.tid}", verified)
        case "oidc":
            return StandardVoucher(_is_yes(claims.email_verified))


def _is_yes(value: object) -> bool:
    return value is True or value == "true"


def _is_one(value: object) -> bool:
    return value == "1" or (type(value) is int and value == 1)


def _name(claims: _Claims, email: Email | None) -> str:
    """What to call the person on a page; decides nothing."""
    shown = "".join(c for c in claims.name or "" if c.isprintable()).strip()
    return shown[:_LONGEST_NAME] or (str(email) if email is not None else "")
