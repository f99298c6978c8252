"""Addresses of web servers, and paths in them, as configuration gives them. Pure.

Strict: what a browser, this program and another server could read in different ways is refused, so
that the address that was checked is the address that is used.
"""

import ipaddress
import re
from typing import Annotated, NamedTuple
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)

from gateway.section import secret_error
from gateway.values import base_of, text

_DEFAULT_PORT = {"http": 80, "https": 443}
_LABEL = r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# A browser reads a host whose last label is a number as an IPv4 address: `127.1` is loopback.
# https://url.spec.whatwg.org/#ends-in-a-number-checker
_NUMBER_AT_END = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
# RFC 3986 `pchar`, less percent-encoding: `%61` and `a` are one path written in two ways.
_SEGMENT = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@-]+")


class Origin(NamedTuple):
    """Scheme, host and port: `("https", "sonar.example", 443)`. An IPv6 host has no brackets."""

    scheme: str
    host: str
    port: int

    @property
    def loopback(self) -> bool:
        return is_loopback(self.host)

    def __str__(self) -> str:
        """As a browser writes it: the default port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORT[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"


class UpstreamAddress(NamedTuple):
    """Where something listens: host and port, or the path of a Unix socket, host empty."""

    host: str
    port: int
    path: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"unix:{self.path}" if self.path else f"{host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Whether `host` can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_inside(host: str) -> bool:
    """Whether `host` names this machine or an address that means something in one network only."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False


def origin_of(text: str) -> Origin:
    """The origin of an address, whatever path it has; ValueError for what has two readings."""
    return _parse(text)[0]


def parse_origin(text: str) -> Origin:
    """`https://Sonar.example:443/` -> its Origin; ValueError for anything that has more."""
    origin, parts = _parse(text)
    if parts.path not in {"", "/"} or "?" in text or "#" in text:
        raise ValueError(f"must be a server's address only, such as {origin}")
    return origin


def _parse(text: str) -> tuple[Origin, SplitResult]:
    # urlsplit drops tabs and newlines and browsers read `\` as `/`: two readings of one address.
    if not text.isascii() or re.search(r"[\x00-\x20\x7f\\]", text):
        raise ValueError("must be ASCII without blanks and backslashes")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("must be an address such as https://sonar.example") from None
    scheme, host = parts.scheme, parts.hostname
    if scheme not in _DEFAULT_PORT or not host or parts.netloc.endswith(":") or port == 0:
        raise ValueError("must be an address such as https://sonar.example")
    if "@" in parts.netloc:
        # What stands before the @ is a password, or there to make one host look like another.
        raise secret_error("must not hold a user name or password")
    return Origin(scheme, _host(host), port or _DEFAULT_PORT[scheme]), parts


def _host(host: str) -> str:
    if ":" in host or _NUMBER_AT_END.fullmatch(host):
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            raise ValueError("has an IP address that is not written in full") from None
        if "%" in host:
            raise ValueError("has an IPv6 zone, which means something on one machine only")
        return str(address)
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise ValueError("has a host that is not a name such as sonar.example")
    return host


def public_url(text: str) -> str:
    """What browsers type: https, or http on loopback, where no cookie crosses a network."""
    origin = parse_origin(text)
    if origin.scheme != "https" and not origin.loopback:
        raise ValueError("must be https: session cookies would cross the network readable")
    return str(origin)


def upstream_url(text: str) -> str:
    return str(parse_origin(text))


# sockaddr_un.sun_path less its NUL (unix(7)).
_LONGEST_SOCKET_PATH = 107
_UNIX = "unix:"


def upstream_address(value: object, info: ValidationInfo) -> UpstreamAddress:
    """`10.0.0.5:8081`, `sonar-a.internal:8081`, `[::1]:8081`, `unix:/run/sonar.sock`; a relative
    path starts at the folder of the file."""
    wrong = "must be an address such as 10.0.0.5:8081, [::1]:8081 or unix:/run/sonar.sock"
    given = text(value, wrong)
    if given.startswith(_UNIX):
        rest = given.removeprefix(_UNIX)
        if rest.startswith("///"):
            rest = rest[2:]
        path = str(base_of(info) / rest)
        if not rest or rest.startswith("//") or "\0" in rest:
            raise ValueError(wrong)
        if len(path.encode()) > _LONGEST_SOCKET_PATH:
            raise ValueError(f"is longer than a socket's path may be: {path}")
        return UpstreamAddress("", 0, path)
    if not re.search(r":[0-9]+$", given) or "/" in given:
        raise ValueError(wrong)
    origin = parse_origin(f"http://{given}")
    return UpstreamAddress(origin.host, origin.port)


def host_name(text: str) -> str:
    return _host(text.lower())


def cookie_domain(text: str) -> str:
    """`.Sonar.example` is `sonar.example` (RFC 6265 section 5.2.3)."""
    return host_name(text.removeprefix("."))


def covers(domain: str, host: str) -> bool:
    """Whether a browser lets `host` set a cookie for `domain` (RFC 6265 section 5.1.3)."""
    return host == domain or (host.endswith(f".{domain}") and not _NUMBER_AT_END.fullmatch(host))


def discovery_url(text: str) -> str:
    """Where a provider describes itself. Keys fetched over plain http could be anybody's."""
    origin, parts = _parse(text)
    if origin.scheme != "https" and not origin.loopback:
        raise ValueError("must be https: a provider's keys must come from the provider")
    if "#" in text:
        raise ValueError("must not have a fragment (#)")
    if not parts.path.endswith("/.well-known/openid-configuration"):
        raise ValueError("must end in /.well-known/openid-configuration")
    query = f"?{parts.query}" if parts.query else ""
    return f"{origin}{parts.path}{query}"


def _segments(path: str) -> list[str]:
    """The segments of a canonical path; ValueError for what has two readings."""
    if not path.startswith("/"):
        raise ValueError("must start with /")
    if "?" in path or "#" in path:
        raise ValueError("must be a path only, without ? and #")
    segments = path[1:].split("/")
    inner = segments[:-1] if segments[-1] == "" else segments
    for segment in inner:
        if segment in {"", ".", ".."}:
            raise ValueError("must not have empty, . or .. segments")
        if not _SEGMENT.fullmatch(segment):
            raise ValueError("may have letters, digits and ._~!$&'()*+,;=:@- between slashes")
    if segments[0] == "sso":
        raise ValueError("is one of the gateway's own pages, /sso/…")
    return segments


def url_path(path: str) -> str:
    """A path of Sonar, such as `/login`."""
    if "*" in path:
        raise ValueError("must be one path, without *")
    _segments(path)
    return path


def public_pattern(pattern: str) -> str:
    """`/favicon.ico`, `/api/*/health` (`*`: one segment) or `/static/**` (`**`: any number).

    The first segment is always spelled out: `/**` or `/*/**` would open every page of Sonar to
    everybody by one slip.
    """
    segments = _segments(pattern)
    if "*" in segments[0]:
        raise ValueError(
            "would open (nearly) everything; spell out the first part, as in /static/**"
        )
    if ";" in pattern:
        raise ValueError("may not have ;, which servers read in different ways")
    for index, segment in enumerate(segments):
        last = index == len(segments) - 1
        if segment == "**" and not last:
            raise ValueError("may have ** only at the end, as in /static/**")
        if "*" in segment and segment not in {"*", "**"}:
            raise ValueError("may have * only as a whole segment, as in /api/*/health")
    return pattern


PublicUrl = Annotated[str, AfterValidator(public_url)]
UpstreamUrl = Annotated[str, AfterValidator(upstream_url)]
UpstreamAt = Annotated[
    UpstreamAddress,
    PlainValidator(upstream_address),
    WithJsonSchema({"type": "string", "pattern": "^unix:.|:[0-9]+$"}),
    PlainSerializer(str, return_type=str, when_used="json"),
]
HostName = Annotated[str, AfterValidator(host_name)]
CookieDomain = Annotated[str, AfterValidator(cookie_domain)]
DiscoveryUrl = Annotated[str, AfterValidator(discovery_url)]
UrlPath = Annotated[str, AfterValidator(url_path)]
PublicPattern = Annotated[str, AfterValidator(public_pattern)]
