"""A sign-in provider, and what its name already says about it."""

from collections.abc import Mapping
from typing import Self

from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic.config import JsonDict

from gateway.identity.model import Kind
from gateway.names import Algorithm, Tenant, Word, tenant
from gateway.secret_values import SecretText
from gateway.section import Section
from gateway.urls import DiscoveryUrl
from gateway.values import UNLIMITED, DurationOrOff, DurationOrZero

ORGANIZATIONS = "organizations"

KNOWN_LABELS = {"google": "Google", "microsoft": "Microsoft"}
_DISCOVERY = {
    "google": "https://accounts.google.com/.well-known/openid-configuration",
    "microsoft": "https://login.microsoftonline.com/{tenant}/v2.0/.well-known/openid-configuration",
}


def completed(name: str, given: Mapping[object, object]) -> dict[object, object]:
    """The provider called `name` as it stands in config.yaml, with what goes without saying."""
    # `Google` is told once, as a name; its kind is not missing.
    kind = given.get("kind", name.lower() if name.lower() in KNOWN_LABELS else None)
    filled: dict[object, object] = {
        "label": KNOWN_LABELS.get(name, name.replace("-", " ").capitalize())
    }
    if kind is not None:
        filled["kind"] = kind
    if isinstance(kind, str) and kind in _DISCOVERY:
        filled["discovery_url"] = _DISCOVERY[kind].format(tenant=_tenant_of(given))
    return filled | dict(given)


def _tenant_of(given: Mapping[object, object]) -> str:
    """The tenant, if it is one; else the default, as what is wrong is told at its own key."""
    try:
        return tenant(str(given.get("tenant", ORGANIZATIONS)))
    except ValueError:
        return ORGANIZATIONS


def _optional_in_yaml(schema: JsonDict) -> None:
    """The provider's name fills in the rest."""
    schema["required"] = ["client_id", "client_secret"]


class Provider(Section):
    """A sign-in provider. Under the names `google` and `microsoft` the kind is implied."""

    model_config = ConfigDict(json_schema_extra=_optional_in_yaml)

    kind: Kind
    """Which rules decide whether its word on an email counts. Needed unless the name says it."""
    client_id: str = Field(min_length=1)
    """The client id the provider gave to this gateway."""
    client_secret: SecretText
    """The client secret: env:NAME or file:PATH."""
    label: str = Field(min_length=1, max_length=40)
    """The name on the button."""
    tenant: Tenant = ORGANIZATIONS
    """Microsoft only: organizations, common, consumers, a tenant's GUID or one of its domains."""
    discovery_url: DiscoveryUrl
    """Where the provider describes itself. Needed for kind `oidc`."""
    scopes: tuple[Word, ...] = ("openid", "email", "profile")
    """What is asked for; `openid` always, for Microsoft `profile` too."""
    algorithms: tuple[Algorithm, ...] = Field(("RS256",), min_length=1)
    """Signature algorithms accepted on ID tokens, logout tokens and security events."""
    clock_skew: DurationOrZero = 60.0
    """How far the provider's clock and this machine's may be apart, up to 5m."""

    refresh: DurationOrOff = float(UNLIMITED)
    """How often the provider is asked, by refresh token, whether somebody signed in may go on;
    `off`: never. Google then asks for consent at each sign-in."""

    @field_validator("tenant", mode="before")
    @classmethod
    def _of_microsoft(cls, tenant: object, info: ValidationInfo) -> object:
        # What the tenant says comes second to that nobody will ever ask.
        if info.data.get("kind", "microsoft") != "microsoft":
            raise ValueError("only for kind microsoft")
        return tenant

    @field_validator("clock_skew")
    @classmethod
    def _bounded(cls, clock_skew: float) -> float:
        # What is forgiven a clock is forgiven an old token too.
        if clock_skew > 300:
            raise ValueError("must be at most 5m; a clock that is further off needs mending")
        return clock_skew

    @model_validator(mode="after")
    def _needs(self) -> Self:
        # Without `openid` there is no ID token, without `profile` Entra leaves out `oid`, the key.
        needed = {"openid", "profile"} if self.kind == "microsoft" else {"openid"}
        if missing := sorted(needed - set(self.scopes)):
            raise ValueError(f"scopes must have {' and '.join(missing)}")
        return self
