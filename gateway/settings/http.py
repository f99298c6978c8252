"""Where the gateway listens, and the Sonar behind it."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from gateway.names import HeaderName, Word
from gateway.section import Section
from gateway.settings.upstream import (
    HealthCheck,
    LoginFields,
    NamedSessionCookie,
    SessionCookie,
    UpstreamTls,
)
from gateway.urls import PublicPattern, PublicUrl, UpstreamAt, UpstreamUrl, UrlPath
from gateway.values import Cidr, Duration, DurationOrZero, Listen, ListenAddress, PathOnDisk


class Tls(Section):
    """The certificate browsers are shown; replaced as soon as the files change."""

    certificate: PathOnDisk
    """PEM: the certificate, then those that vouch for it, without the root."""
    key: PathOnDisk
    """PEM: its private key, without a password, readable by the gateway alone."""


ForwardAuth = Literal["nginx", "traefik", "caddy", "envoy"]
"""Proxies that ask at /sso/auth; each says in a way of its own what it asks about."""


class Server(Section):
    """Where the gateway listens."""

    public_url: PublicUrl = "http://localhost:8080"
    """What browsers type; redirect URIs and cookies follow from it. https, or http on loopback."""
    listen: Listen = ListenAddress("127.0.0.1", 8080)
    """Address and port for browsers; `:8080` is every interface."""
    tls: Tls | None = None
    """The certificate for https on `listen`; `null` for http, with a proxy in front."""
    management: Listen = ListenAddress("127.0.0.1", 9090)
    """Address and port of /livez, /readyz and /metrics. Never reachable from outside."""
    workers: int = Field(1, ge=1, le=64, strict=True)
    """Processes sharing the port: as many as processors are worth it."""
    trusted_proxies: tuple[Cidr, ...] = ()
    """Networks of proxies in front whose word on the client counts; none by default."""
    forward_auth: ForwardAuth | None = None
    """The proxy that asks at /sso/auth whether a request may go to Sonar: nginx, traefik, caddy or
    envoy. Only those in trusted_proxies may ask."""
    proxy_protocol: bool = Field(False, strict=True)
    """Whether trusted proxies begin each connection with a PROXY protocol header; if so they
    must."""
    underscore_headers: Literal["pass", "drop", "refuse"] = "pass"
    """What becomes of headers with `_` in their name; those that read like ours never pass."""
    drain_delay: DurationOrZero = 0.0
    """How long the gateway, told to stop, still takes new connections while /readyz fails, so that
    a load balancer notices before anybody is turned away."""
    drain: DurationOrZero = 30.0
    """How long requests under way may take after that."""

    @property
    def secure(self) -> bool:
        """Whether browsers come by https, so that cookies may say so."""
        return self.public_url.startswith("https:")

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _listed(cls, networks: object) -> object:
        if isinstance(networks, str):
            raise ValueError("must be a list, such as [10.0.0.0/8]")  # noqa: TRY004 - pydantic's
        return networks

    @model_validator(mode="after")
    def _somebody_may_ask(self) -> Self:
        if self.forward_auth is not None and not self.trusted_proxies:
            raise ValueError(
                f"forward_auth: {self.forward_auth} needs its address in trusted_proxies"
            )
        return self

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.listen == self.management and self.listen.port != 0:
            # Metrics and health say too much about the house to be shown to the street.
            raise ValueError("listen and management must be different")
        if self.proxy_protocol and not self.trusted_proxies:
            raise ValueError("proxy_protocol needs trusted_proxies: nobody else may speak it")
        if self.tls is not None and not self.secure:
            raise ValueError("tls needs a public_url that begins with https://")
        return self


class Fragment(Section):
    """Where a fragment goes into one of Sonar's pages."""

    selector: str
    """CSS selector; the first element it finds counts."""
    place: Literal["before", "after", "prepend", "append"] = "append"
    """Before or after that element, or inside it at its start or end."""

    @field_validator("selector")
    @classmethod
    def _usable(cls, selector: str) -> str:
        # Imported here, as most of those who import Config need no HTML rewriter.
        from gateway.edge.inject import check_selector

        wrong = check_selector(selector)
        if wrong is not None:
            raise ValueError(f"is no CSS selector that can be used: {wrong}")
        return selector


class Upstream(Section):
    """The legacy Sonar application."""

    url: UpstreamUrl
    """Its address as the gateway reaches it, such as http://127.0.0.1:8081."""
    addresses: tuple[UpstreamAt, ...] = ()
    """Where it listens, if that is not `url`: host:port or unix:PATH, the least busy one next."""
    tls: UpstreamTls = UpstreamTls()
    """How it is made sure that it is Sonar; for a `url` of https."""
    health: HealthCheck | None = None
    """Which page says whether an address works; without, requests find out."""
    login_path: UrlPath = "/login"
    """Sonar's sign-in page; gets the sign-in buttons."""
    profile_path: UrlPath = "/profile"
    """Sonar's profile page; gets the Single Sign-On section."""
    logout_path: UrlPath = "/logout"
    """Sonar's sign-out; also ends the gateway session."""
    return_parameter: Word = "return_to"
    """The query parameter in which Sonar's sign-in page keeps the way back."""
    login_fields: LoginFields = LoginFields()
    """What the fields of Sonar's sign-in form are called."""
    session_cookies: tuple[NamedSessionCookie, ...] = Field(
        (SessionCookie(name="SONARSESSID"),), json_schema_extra={"default": ["SONARSESSID"]}
    )
    """Sonar's own session cookies, by name, or by name, path and domain. Who has one is a password
    user; under SSO they are sealed."""
    public_paths: tuple[PublicPattern, ...] = ()
    """Paths open to everybody: /favicon.ico, /api/*/health (one segment), /static/** (any)."""
    login_buttons: Fragment = Fragment(selector="form", place="after")
    """Where the sign-in buttons go on the sign-in page."""
    profile_section: Fragment = Fragment(selector="#change-account-security", place="append")
    """Where the Single Sign-On section goes on the profile page."""
    connect_timeout: Duration = 5.0
    """How long Sonar may take to accept a connection."""
    response_timeout: Duration = 60.0
    """How long Sonar may take to begin its answer, and between two parts of it."""

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if len(set(self.addresses)) < len(self.addresses):
            raise ValueError("addresses has one address twice")
        if self.tls != UpstreamTls() and not self.url.startswith("https:"):
            raise ValueError("tls is for a url that begins with https:")
        return self

    @model_validator(mode="after")
    def _three_paths(self) -> Self:
        if len({self.login_path, self.profile_path, self.logout_path}) < 3:
            raise ValueError("login_path, profile_path and logout_path must be three paths")
        return self


class IdentityHeaders(Section):
    """The names of the headers upstream gets. Clients that send one of them are not believed."""

    account_id: HeaderName = "X-Sonar-Account-Id"
    """The account's id."""
    username: HeaderName = "X-Sonar-Username"
    """The account's username."""
    email: HeaderName = "X-Sonar-Email"
    """The account's contact address."""
    provider: HeaderName = "X-Sonar-Provider"
    """The provider the person signed in with."""
    assertion: HeaderName = "X-Sonar-Assertion"
    """The signed assertion, a JWT; what upstream should trust."""

    @model_validator(mode="after")
    def _different(self) -> Self:
        names = [str(getattr(self, key)).lower() for key in type(self).model_fields]
        if len(set(names)) < len(names):
            raise ValueError("two headers have the same name")
        return self


class Assertion(Section):
    """The signed statement upstream gets about who is signed in."""

    audience: Word = "sonar"
    """`aud`: whom it is for."""
    lifetime: Duration = 300.0
    """How long each one is valid; minted anew well before."""

    @field_validator("lifetime")
    @classmethod
    def _bounded(cls, lifetime: float) -> float:
        # Shorter and clocks a little apart refuse it; longer and a copied one lives too long.
        if not 60 <= lifetime <= 3600:
            raise ValueError("must be between 60s and 1h")
        return lifetime
