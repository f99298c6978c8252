"""The part of Config that requests meet, compiled once at start and frozen. Pure."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Self

from gateway.config import Config, ForwardAuth, Upstream
from gateway.edge.cookies import CookieRules, Cookies, Place
from gateway.edge.field_reader import FieldReader
from gateway.edge.names import HeaderNames
from gateway.edge.peer import Network
from gateway.session.cookie import CookieNames, sign_off_cookies, unfinished_cookies
from gateway.urls import Origin, parse_origin


@dataclass(frozen=True, slots=True)
class Rules:
    """`public`: what browsers type; `upstreams`: where Sonar listens. Header values as bytes.
    `forward_auth`: who asks at /sso/auth; `identity_names`: the headers that say who it is."""

    public: Origin
    upstreams: frozenset[Origin]
    public_host: str
    login_path: str
    profile_path: str
    logout_path: str
    return_parameter: str
    public_paths: re.Pattern[str] | None
    cookies: CookieRules
    cookie_names: CookieNames
    expired_cookies: bytes
    trusted: tuple[Network, ...]
    forward_auth: ForwardAuth | None
    identity_names: tuple[str, ...]
    fields: FieldReader
    fields_from_trusted: FieldReader

    @classmethod
    def of(cls, config: Config) -> Self:
        public = parse_origin(config.server.public_url)
        names = CookieNames(public.scheme == "https")
        legacy = config.upstream.session_cookies
        headers, underscores = config.headers, config.server.underscore_headers
        asks = config.server.forward_auth
        cookies = CookieRules(
            names.session.encode(),
            names.transaction_prefix.encode(),
            frozenset(cookie.name.encode() for cookie in legacy),
            frozenset(Place(it.name, it.path, it.domain or "") for it in legacy),
            public.host,
        )
        return cls(
            public=public,
            upstreams=_upstreams(config.upstream),
            public_host=str(public).partition("://")[2],
            login_path=config.upstream.login_path,
            profile_path=config.upstream.profile_path,
            logout_path=config.upstream.logout_path,
            return_parameter=config.upstream.return_parameter,
            public_paths=compile_paths(config.upstream.public_paths),
            cookies=cookies,
            cookie_names=names,
            expired_cookies=_lines(sign_off_cookies(names, legacy)),
            trusted=tuple(ipaddress.ip_network(cidr) for cidr in config.server.trusted_proxies),
            forward_auth=asks,
            identity_names=tuple(headers.model_dump().values()),
            fields=FieldReader(
                HeaderNames(headers, trusted=False, underscores=underscores),
                cookies,
                config.limits,
            ),
            fields_from_trusted=FieldReader(
                HeaderNames(headers, trusted=True, underscores=underscores, asks=asks is not None),
                cookies,
                config.limits,
            ),
        )

    def signing_off(self, cookies: Cookies, *, session: bool) -> bytes:
        """The header lines that go with Sonar's reply to a sign-out: the browser forgets a
        `session` of ours and Sonar's cookies with it, and, whoever it was that signed out, all that
        is half signed in."""
        unfinished = _lines(unfinished_cookies(self.cookie_names, cookies.names()))
        return self.expired_cookies + unfinished if session else unfinished

    def is_public(self, path: str) -> bool:
        """Whether everybody may see `path` (canonical): the sign-in page, or a public path.

        Path parameters are never public: `/static/x;/../admin` is one path here and another to a
        servlet container.
        """
        if path == self.login_path:
            return True
        if self.public_paths is None or ";" in path:
            return False
        return self.public_paths.fullmatch(path) is not None


def _lines(cookies: tuple[str, ...]) -> bytes:
    return "".join(f"Set-Cookie: {cookie}\r\n" for cookie in cookies).encode()


def _upstreams(upstream: Upstream) -> frozenset[Origin]:
    """What Sonar may call itself, when it does not go by what the browser asked for."""
    origin = parse_origin(upstream.url)
    at = [Origin(origin.scheme, each.host, each.port) for each in upstream.addresses if each.host]
    return frozenset((origin, *at))


def compile_paths(patterns: tuple[str, ...]) -> re.Pattern[str] | None:
    """`/static/**` (`**`: any rest), `/api/*/health` (`*`: one segment) -> one expression over the
    whole path, or `None` when there is no pattern."""
    if not patterns:
        return None
    return re.compile("|".join(f"(?:{_expression(pattern)})" for pattern in patterns))


def _expression(pattern: str) -> str:
    pieces = re.split(r"(\*\*|\*)", pattern)
    wild = {"**": ".*", "*": "[^/]+"}
    return "".join(wild.get(piece) or re.escape(piece) for piece in pieces)
