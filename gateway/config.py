"""config.yaml + environment -> one frozen Config, or every problem at once.

Each section of config.yaml is a class here, each key an attribute; the descriptions become
`sonar-gateway schema config` and docs/configuration.md.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.secret import Secret
from gateway.values import CidrText, Duration, ListenAddress, SecretText, UrlPath, UrlText


class Section(BaseModel):
    """A mapping in config.yaml: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Tls(Section):
    certificate: Path
    key: Path


class Server(Section):
    public_url: UrlText = "http://localhost:8080"
    listen: ListenAddress = ListenAddress("127.0.0.1", 8080)
    management: ListenAddress = ListenAddress("127.0.0.1", 9090)
    workers: int = Field(1, ge=1, le=1)
    trusted_proxies: tuple[CidrText, ...] = ()
    tls: Tls | None = None
    drain: Duration = 30.0


class Fragment(Section):
    """Where a fragment goes: relative to the first element that `selector` (CSS) finds."""

    selector: str
    place: Literal["before", "after", "prepend", "append"] = "append"


class Upstream(Section):
    url: UrlText
    login_path: UrlPath = "/login"
    profile_path: UrlPath = "/profile"
    logout_path: UrlPath = "/logout"
    return_parameter: str = "return_to"
    session_cookies: tuple[str, ...] = ("SONARSESSID",)
    public_paths: tuple[str, ...] = ()
    login_buttons: Fragment = Fragment(selector="form", place="after")
    profile_section: Fragment = Fragment(selector="#change-account-security", place="append")
    connect_timeout: Duration = 5.0
    response_timeout: Duration = 60.0


class IdentityHeaders(Section):
    """The names of the headers upstream gets."""

    account_id: str = "X-Sonar-Account-Id"
    username: str = "X-Sonar-Username"
    email: str = "X-Sonar-Email"
    provider: str = "X-Sonar-Provider"
    assertion: str = "X-Sonar-Assertion"


class Assertion(Section):
    audience: str = "sonar"
    lifetime: Duration = 300.0


class Provider(Section):
    """A sign-in provider. Under the names `google` and `microsoft` the kind is implied."""

    kind: Literal["google", "microsoft", "oidc"]
    client_id: str
    client_secret: SecretText
    label: str
    tenant: str = "organizations"
    discovery_url: UrlText
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    algorithms: tuple[str, ...] = ("RS256",)


class SqlColumns(Section):
    """Column names of the accounts table; `null` for one that the table does not have."""

    id: str = "id"
    username: str = "username"
    display_name: str | None = "display_name"
    organisation: str | None = "organisation"
    active: str | None = "active"
    password_hash: str = "password_hash"  # noqa: S105 - a column's name
    email: str | None = None


class SqlAddressColumns(Section):
    """Column names of the addresses table; without `purpose` every address is a contact."""

    account_id: str = "account_id"
    email: str = "email"
    purpose: str | None = "purpose"


class SqlDirectory(Section):
    """Sonar's own database. Tables may be written `schema.table`.

    Addresses come from the addresses table, from `accounts.email`, or from both.
    """

    kind: Literal["sql"] = "sql"
    url: SecretText
    accounts_table: str = "accounts"
    accounts: SqlColumns = SqlColumns()
    addresses_table: str | None = "addresses"
    addresses: SqlAddressColumns = SqlAddressColumns()
    active_values: tuple[str, ...] = ("true", "t", "yes", "y", "1", "active", "enabled")
    timeout: Duration = 5.0

    @model_validator(mode="after")
    def _has_addresses(self) -> Self:
        if self.addresses_table is None and self.accounts.email is None:
            raise ValueError("name an addresses_table, or the column accounts.email")
        return self


class FileDirectory(Section):
    kind: Literal["file"] = "file"
    path: Path


class Passwords(Section):
    """How Sonar's passwords are verified."""

    concurrent: int = Field(2, ge=1, le=64)
    attempts: int = Field(10, ge=1)
    window: Duration = 900.0


class Links(Section):
    database: SecretText = Secret("sqlite:///var/gateway.db")


class Sessions(Section):
    store: Literal["embedded"] | SecretText = "embedded"
    path: Path = Path("var/sessions.db")
    idle: Duration = 8 * 3600.0
    lifetime: Duration = 24 * 3600.0
    outage_grace: Duration = 300.0


class Log(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"
    access: str = "-"


class Config(Section):
    server: Server = Server()
    upstream: Upstream
    headers: IdentityHeaders = IdentityHeaders()
    assertion: Assertion = Assertion()
    providers: dict[str, Provider]
    directory: Annotated[SqlDirectory | FileDirectory, Field(discriminator="kind")]
    passwords: Passwords = Passwords()
    links: Links = Links()
    sessions: Sessions = Sessions()
    keys: Path = Path("var/keys")
    policies: Path = Path("policies")
    log: Log = Log()
