"""Who somebody is, as a provider says, or why that is not believed: the values. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.email import Email
from gateway.reasons import Reason

Kind = Literal["google", "microsoft", "oidc"]
"""Which rules say whether a provider's word on an email counts; `oidc` is any other provider."""


@dataclass(frozen=True, slots=True)
class UnverifiedClaims:
    """The payload of a token whose signature is right, and nothing else about it known.

    `key_issuer` is the `issuer` member of the signing key, which Entra's key sets carry.
    """

    claims: Mapping[str, object]
    key_issuer: str | None = None


@dataclass(frozen=True, slots=True)
class IdentityKey:
    """The lasting key of an identity. Never an email address.

    `issuer` as the token names it. `subject` is `sub`; for Microsoft it is `tid` + `.` + `oid`,
    because `sub` differs per application there.
    """

    issuer: str
    subject: str


@dataclass(frozen=True, slots=True)
class GoogleVoucher:
    """What Google says of the email: `email_verified`, and `hd` when it is a Workspace account."""

    email_verified: bool
    hosted_domain: str | None
    kind: Literal["google"] = "google"


@dataclass(frozen=True, slots=True)
class MicrosoftVoucher:
    """What Entra says of the email: the tenant whose word it is, empty for a guest of one, and
    whether the domain's owner was verified."""

    tenant: str
    domain_owner_verified: bool
    kind: Literal["microsoft"] = "microsoft"


@dataclass(frozen=True, slots=True)
class StandardVoucher:
    """What any other OpenID Provider says of the email: `email_verified`."""

    email_verified: bool
    kind: Literal["oidc"] = "oidc"


Voucher = GoogleVoucher | MicrosoftVoucher | StandardVoucher


@dataclass(frozen=True, slots=True)
class Identity:
    """A verified identity. `provider` is its name in config.yaml.

    `auth_time`: when the person last proved to the provider who they are, Unix seconds, `None` when
    it does not say: that it knows them, from whatever cookie, is no proof.

    `sid`: what the provider calls its own session of this browser, when it says so (OpenID Connect
    Back-Channel Logout 1.0 section 2.1): by it the provider ends ours.
    `logout_hint`: who it is, in words that only the provider understands, for its own sign-out.
    """

    key: IdentityKey
    provider: str
    email: Email | None
    voucher: Voucher
    name: str
    auth_time: float | None
    sid: str | None = None
    logout_hint: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider's answer, or the browser's side of it, was refused. `detail` is for the log:
    never a token, code or claim that could be replayed, never text that an attacker chose."""

    reason: Reason
    detail: str
