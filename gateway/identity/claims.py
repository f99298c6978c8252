"""Who the provider says this is. The only place where `UnverifiedClaims` become an `Identity`."""

import hmac
import re
from contextlib import suppress
from dataclasses import dataclass

from gateway.email import Email, InvalidEmail
from gateway.identity.entra import CONSUMER_TENANT, GUID, TENANT_PLACEHOLDER
from gateway.identity.model import (
    GoogleVoucher,
    Identity,
    IdentityKey,
    MicrosoftVoucher,
    Refused,
    StandardVoucher,
    UnverifiedClaims,
    Voucher,
)
from gateway.identity.provenance import (
    LONGEST_NAME,
    SUBJECT,
    Audience,
    Claims,
    Recipient,
    Rules,
    check_provenance,
    read_claims,
)
from gateway.reasons import Reason


@dataclass(frozen=True, slots=True)
class Expected(Recipient):
    """What an ID token must say to be the answer to one sign-in, or to a refresh.

    `provider` is its name in config.yaml. `nonce` is `None` for a refresh: no browser carried the
    answer (OpenID Connect Core section 12.2). `tenant` is the one in Microsoft's discovery URL
    (`organizations`, a GUID, …), elsewhere `None`.
    """

    provider: str
    nonce: str | None
    tenant: str | None = None


# An ID token is asked for right after the sign-in, so an old one is somebody else's. Entra dates
# its tokens five minutes back; twice that, and as long as a transaction lives.
OLDEST = 600.0

_RULES = Rules(Audience.PARTY, OLDEST, expires=True)

_GUID = re.compile(GUID)

_LONGEST_SHOWN = 200
# Entra's have about a hundred.
_LONGEST_HINT = 512


class _Claims(Claims):
    nonce: str | None = None
    auth_time: float | None = None
    login_hint: str | None = None
    tid: str | None = None
    oid: str | None = None
    email: str | None = None
    hd: str | None = None
    name: str | None = None
    # Providers send these in more than one type; anything but the known yes is a no.
    email_verified: object = None
    xms_edov: object = None
    idp: object = None


def verify_claims(
    unverified: UnverifiedClaims, expected: Expected, now: float
) -> Identity | Refused:
    """Every check of an ID token's claims (OpenID Connect Core section 3.1.3.7), each demanded.
    `now` is Unix seconds."""
    claims = read_claims(_Claims, unverified)
    if isinstance(claims, Refused):
        return claims
    if "events" in unverified.claims:
        return Refused(Reason.TOKEN_MALFORMED, "a token that tells of events is no ID token")
    issuer = _issuer(claims, expected)
    return (
        check_provenance(claims, issuer, unverified.key_issuer, expected, _RULES, now)
        or _check_nonce(claims, expected)
        or _check_proof(claims, expected, now)
        or _identity(claims, expected)
    )


def _issuer(claims: _Claims, expected: Expected) -> str | Refused:
    if expected.kind == "microsoft":
        return _microsoft_issuer(claims, expected)
    accepted = {expected.issuer}
    if expected.kind == "google" and expected.issuer == "https://accounts.google.com":
        # https://developers.google.com/identity/openid-connect/openid-connect#validatinganidtoken
        accepted.add("accounts.google.com")
    if claims.iss not in accepted:
        return Refused(Reason.TOKEN_ISSUER, "iss is not the provider's issuer")
    return expected.issuer


def _microsoft_issuer(claims: _Claims, expected: Expected) -> str | Refused:
    """Any Entra tenant may sign tokens with its own issuer; the token's `tid` says which it is.

    The issuer is compared whole, never by prefix or pattern: the template filled with a `tid` that
    is a GUID has exactly one form.
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
    return issuer


def _check_nonce(claims: _Claims, expected: Expected) -> Refused | None:
    """A token from another sign-in, injected into this one, carries another nonce."""
    if expected.nonce is None:
        return None
    if claims.nonce is None or not hmac.compare_digest(
        claims.nonce.encode("utf-8", "replace"), expected.nonce.encode()
    ):
        return Refused(Reason.TOKEN_NONCE, "nonce is not this sign-in's")
    return None


def _check_proof(claims: _Claims, expected: Expected, now: float) -> Refused | None:
    """A proof that is still to come would never grow old."""
    if claims.auth_time is not None and claims.auth_time > now + expected.clock_skew:
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
    if claims.sid is not None and len(claims.sid) > LONGEST_NAME:
        return Refused(Reason.TOKEN_MALFORMED, f"sid has more than {LONGEST_NAME} characters")
    hint = claims.login_hint
    if hint is not None and not 0 < len(hint) <= _LONGEST_HINT:
        # Without it the provider asks who leaves; nobody is kept out for that.
        hint = None
    name, at = _name(claims, email), claims.auth_time
    return Identity(key, expected.provider, email, voucher, name, at, claims.sid or None, hint)


def _key(claims: _Claims, expected: Expected) -> IdentityKey | Refused:
    if claims.sub is None or not SUBJECT.fullmatch(claims.sub):
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
            if _is_guest(claims):
                return MicrosoftVoucher("", False)
            # The optional claim comes as a boolean, a number or a text, by token version.
            verified = _is_yes(claims.xms_edov) or _is_one(claims.xms_edov)
            return MicrosoftVoucher(f"{claims.tid}", verified)
        case "oidc":
            return StandardVoucher(_is_yes(claims.email_verified))


def _is_guest(claims: _Claims) -> bool:
    """Whether somebody else than the tenant let this person in: `idp` is then not the issuer
    (https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference), also in the
    form that the tenant's older endpoint has. Any tenant invites whom it likes, and `xms_edov` is
    true of who only once read a letter at the address."""
    return claims.idp not in (None, claims.iss, f"https://sts.windows.net/{claims.tid}/")


def _is_yes(value: object) -> bool:
    return value is True or value == "true"


def _is_one(value: object) -> bool:
    return value == "1" or (type(value) is int and value == 1)


def _name(claims: _Claims, email: Email | None) -> str:
    """What to call the person on a page; decides nothing."""
    shown = "".join(c for c in claims.name or "" if c.isprintable()).strip()
    return shown[:_LONGEST_SHOWN] or (str(email) if email is not None else "")
