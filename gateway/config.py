"""config.yaml + environment -> one frozen Config, or every problem at once.

Each section of config.yaml is a class in gateway/settings/, each key an attribute; the text under a
key becomes `sonar-gateway schema config`, and docs/configuration.md has each key too.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from gateway.errors import ConfigError, Problem
from gateway.names import ProviderName
from gateway.secret import Secret
from gateway.secret_values import ExposedSecret, LiteralSecret, holds_password
from gateway.section import Section, checked, shape_of
from gateway.settings.http import (
    Assertion,
    ForwardAuth,
    Fragment,
    IdentityHeaders,
    Server,
    Tls,
    Upstream,
)
from gateway.settings.keys import Keys, short_too
from gateway.settings.limits import Limits
from gateway.settings.mail import Mail
from gateway.settings.provider import KNOWN_LABELS, Provider, completed
from gateway.settings.storage import (
    Audit,
    FileDirectory,
    Links,
    Log,
    Passwords,
    Sessions,
    SqlAddressColumns,
    SqlColumns,
    SqlDirectory,
)
from gateway.urls import covers, parse_origin
from gateway.values import ListenAddress, PathOnDisk
from gateway.yamlfile import LARGEST_FILE, Document, read_yaml

__all__ = [
    "Assertion",
    "Audit",
    "Config",
    "FileDirectory",
    "ForwardAuth",
    "Fragment",
    "IdentityHeaders",
    "Keys",
    "Limits",
    "Links",
    "ListenAddress",
    "Log",
    "Mail",
    "Passwords",
    "Provider",
    "Section",
    "Server",
    "Sessions",
    "SqlAddressColumns",
    "SqlColumns",
    "SqlDirectory",
    "Tls",
    "Upstream",
    "config_from",
    "load_config",
    "warnings_about",
]


# docs/verifying.md tells them so.
_VERIFIERS_KEEP_KEYS = 3600.0


class Config(Section):
    """How one gateway is set up."""

    server: Server = Server()
    """Where the gateway listens."""
    upstream: Upstream
    """The legacy Sonar application."""
    limits: Limits = Limits()
    """What one process takes from browsers, and how long it waits for them."""
    headers: IdentityHeaders = IdentityHeaders()
    """The names of the headers upstream gets."""
    assertion: Assertion = Assertion()
    """The signed statement upstream gets about who is signed in."""
    providers: dict[ProviderName, Provider] = Field(default_factory=dict)
    """Sign-in providers by name, in the order of their buttons."""
    directory: Annotated[SqlDirectory | FileDirectory, Field(discriminator="kind")]
    """Where Sonar's accounts are looked up."""
    passwords: Passwords = Passwords()
    """How Sonar's passwords are verified."""
    links: Links = Links()
    """The gateway's own database."""
    audit: Audit = Audit()
    """The record of who was let in or refused, and of who changed who may get in."""
    mail: Mail | None = None
    """The mail server that takes letters to the owners of accounts; `null` for none."""
    sessions: Sessions = Sessions()
    """Signed-in browsers."""
    keys: Keys = Field(Keys(), json_schema_extra=short_too)
    """The signing and sealing keys."""
    policies: PathOnDisk = Field(Path("policies"), validate_default=True)
    """The folder of the policies, one file a domain."""
    log: Log = Log()
    """What is written about what happens."""

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of each provider by its name, which policies are checked against."""
        return {name: provider.kind for name, provider in self.providers.items()}

    @model_validator(mode="after")
    def _cookies_of_this_host(self) -> Self:
        host = parse_origin(self.server.public_url).host
        for cookie in self.upstream.session_cookies:
            if cookie.domain is not None and not covers(cookie.domain, host):
                # A browser keeps no such cookie, so it would never be expired.
                raise ValueError(
                    f"upstream.session_cookies: {cookie.domain} is neither {host} nor above it"
                )
        return self

    @field_validator("providers", mode="before")
    @classmethod
    def _complete(cls, providers: object) -> object:
        if not isinstance(providers, Mapping):
            return providers
        return {
            name: completed(name, given)
            if isinstance(name, str) and isinstance(given, Mapping)
            else given
            for name, given in providers.items()
        }

    @field_validator("providers")
    @classmethod
    def _named_as_they_are(cls, providers: dict[str, Provider]) -> dict[str, Provider]:
        for name, provider in providers.items():
            # The kind decides whose word on an email counts, so the name must not mislead.
            if name in KNOWN_LABELS and provider.kind != name:
                raise ValueError(f"the provider {name} must be of kind {name}")
        return providers


def load_config(path: Path, *, signs_in: bool = True) -> Config:
    """Read `path` and the secrets it names; raise ConfigError with every problem.

    `signs_in`: whether anybody is to be signed in or written to. Without, the secrets that only
    providers and mail servers ask for are not read: who blocks somebody in an emergency may well
    not have them.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        wrong = "is not there; --config FILE or SONAR_GATEWAY_CONFIG names another file"
        raise ConfigError((Problem(str(path), "", None, wrong),)) from None
    except OSError as error:
        wrong = f"cannot be read: {error.strerror}"
        raise ConfigError((Problem(str(path), "", None, wrong),)) from None
    document = read_yaml(content, str(path), shape_of(Config))
    if not isinstance(document, Document):
        raise ConfigError(document)
    return _config(document, path.parent, signs_in=signs_in)


def config_from(mapping: Mapping[str, object], base: Path) -> Config:
    """The Config that a config.yaml in `base` with this content would give."""
    return _config(Document("config.yaml", mapping), base)


def _config(document: Document, base: Path, *, signs_in: bool = True) -> Config:
    # Named, so that the relative paths in their defaults start at `base` too.
    value = {"links": {}, "sessions": {}, "keys": {}} | dict(document.value)
    if not signs_in:
        value = _without_outer_secrets(value)
    context = {"base": base.absolute(), "environ": os.environ}
    result = checked(Config, Document(document.file, value, document.lines), context)
    if isinstance(result, tuple):
        raise ConfigError(result)
    return result


def _without_outer_secrets(value: dict[str, object]) -> dict[str, object]:
    """With an empty secret where one is read from elsewhere that somebody else checks."""
    providers = value.get("providers")
    if isinstance(providers, Mapping):
        named = {name: _unread(one, "client_secret") for name, one in providers.items()}
        value = {**value, "providers": named}
    if "mail" in value:
        value = {**value, "mail": _unread(value["mail"], "password")}
    return value


def _unread(section: object, key: str) -> object:
    if not isinstance(section, Mapping):
        return section
    told = section.get(key)
    if not isinstance(told, str) or not told.startswith(("env:", "file:")):
        return section
    return {**section, key: Secret("")}


def warnings_about(config: Config) -> tuple[str, ...]:
    """What works, but should not stay so in production; one line each, for `check`."""
    found = [
        f"providers.{name}.client_secret stands in the file itself; better env:NAME or file:PATH"
        for name, provider in config.providers.items()
        if isinstance(provider.client_secret, LiteralSecret)
    ]
    providers = config.providers.items()
    urls = {"links.database": config.links.database, "sessions.store": config.sessions.store}
    if isinstance(config.directory, SqlDirectory):
        urls["directory.url"] = config.directory.url
    found += [
        f"{key} has its password in the file itself; better env:NAME or file:PATH"
        for key, url in sorted(urls.items())
        if holds_password(url)
    ]
    secrets = {f"providers.{name}.client_secret": each.client_secret for name, each in providers}
    if config.mail is not None and config.mail.password is not None:
        secrets["mail.password"] = config.mail.password
    found += [
        f"{key}: {secret.told}"
        for key, secret in (secrets | urls).items()
        if isinstance(secret, ExposedSecret)
    ]
    if config.keys.overlap < _VERIFIERS_KEEP_KEYS:
        found.append("keys.overlap is shorter than the hour for which verifiers keep the keys")
    if not config.providers:
        found.append("providers: none, so nobody can sign in but with the Sonar password")
    return tuple(found)
