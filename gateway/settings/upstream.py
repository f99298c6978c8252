"""How connections to Sonar are made, and how it is found out which of its addresses work."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import BeforeValidator, PlainSerializer, model_validator

from gateway.names import CookieName, CookiePath, FormField, cookie_name
from gateway.section import Section
from gateway.urls import CookieDomain, HostName, UrlPath
from gateway.values import Duration, PathOnDisk


class UpstreamTls(Section):
    """Whose word counts that it is Sonar, and what tells Sonar that it is the gateway. Changed
    files count for new connections within a second."""

    ca: PathOnDisk | None = None
    """Certificates (PEM) that may vouch for Sonar's; then those of the system may not."""
    certificate: PathOnDisk | None = None
    """The gateway's own certificate (PEM, with the chain), for a Sonar that asks for one."""
    key: PathOnDisk | None = None
    """The private key (PEM) of `certificate`."""
    server_name: HostName | None = None
    """The name in Sonar's certificate, when it is not the host of `url`."""

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        return self


class HealthCheck(Section):
    """A page of Sonar that says whether it works."""

    path: UrlPath
    """Asked with GET, without a session; a status of 2xx or 3xx says that this address works."""
    interval: Duration = 5.0
    """How often each address is asked."""


class LoginFields(Section):
    """The fields of Sonar's sign-in form, by their `name`, so that who signs in there hears of a
    new link, too."""

    username: FormField = "username"
    """The one for the username."""
    password: FormField = "password"  # noqa: S105 - the name of a field
    """The one for the password."""

    @model_validator(mode="after")
    def _two(self) -> Self:
        if self.username == self.password:
            raise ValueError("username and password are two fields")
        return self


class SessionCookie(Section):
    """A session cookie of Sonar. A browser keeps one for each name, path and domain, and forgets it
    only when told in the same three (RFC 6265 section 5.3, step 11)."""

    name: CookieName
    """What it is called."""
    path: CookiePath = "/"
    """The `Path` that Sonar sets it with."""
    domain: CookieDomain | None = None
    """The `Domain` that Sonar sets it with; `null` for none."""

    @model_validator(mode="after")
    def _as_prefixed(self) -> Self:
        bare = self.path == "/" and self.domain is None
        if self.name.lower().startswith("__host-") and not bare:
            # RFC 6265bis section 4.1.3.2: no browser keeps such a cookie.
            raise ValueError("a cookie called __Host-… has the path / and no domain")
        return self


def _by_name(value: object) -> object:
    """A name alone is a cookie for all paths of the host that sets it."""
    if isinstance(value, str):
        return SessionCookie(name=cookie_name(value))
    if not isinstance(value, SessionCookie | Mapping):
        raise ValueError("must be a cookie's name, or its name, path and domain")  # noqa: TRY004 - pydantic's
    return value


def _spelled(cookie: SessionCookie) -> SessionCookie | str:
    """As the file writes it."""
    return cookie.name if cookie == SessionCookie(name=cookie.name) else cookie


NamedSessionCookie = Annotated[
    SessionCookie,
    BeforeValidator(_by_name),
    PlainSerializer(_spelled, return_type=SessionCookie | str, when_used="json"),
]
