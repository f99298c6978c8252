"""What the browser gets back of upstream's reply. Pure.

Framing is always written anew from what was understood, never copied; upstream_head.py has the
other direction.
"""

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

from gateway.edge.cookies import Place, passing_set_cookie
from gateway.edge.inbound import Inbound, Refusal
from gateway.edge.names import Field, fold, without, written
from gateway.edge.paths import canonical_path
from gateway.edge.rules import Rules
from gateway.reasons import Reason
from gateway.session.entry import Live
from gateway.urls import Origin, parse_origin


class RawReply(NamedTuple):
    """A reply head of upstream as it came. `keep_alive`: whether its connection can be used
    again, by what the head says."""

    status: int
    phrase: bytes
    fields: list[Field]
    keep_alive: bool


class Outbound(NamedTuple):
    """A reply on its way to the browser.

    `fields` are its headers without any framing; `length` is Content-Length, `None` when
    upstream did not say. `location`, `content_type` and `encoding` are header values, empty when
    absent. `unnamed`: where a browser will keep session cookies of Sonar's that config does not
    name.
    """

    status: int
    phrase: bytes
    fields: list[Field]
    length: int | None
    has_body: bool
    location: bytes
    content_type: bytes
    encoding: bytes
    unnamed: tuple[Place, ...] = ()

    @property
    def chunked(self) -> bool:
        """Whether an HTTP/1.1 browser gets it in chunks, because nobody knows how long it is."""
        return self.has_body and self.length is None


_CODING, _CONNECTION, _COOKIE, _DROPPED = range(4)
_ENCODING, _LENGTH, _LOCATION, _TYPE, _UPGRADE = range(4, 9)
# What a header of a reply means on its way; every other one passes.
_MEANT = {
    b"connection": _CONNECTION,
    b"content-encoding": _ENCODING,
    b"content-length": _LENGTH,
    b"content-type": _TYPE,
    b"keep-alive": _DROPPED,
    b"location": _LOCATION,
    b"proxy-authenticate": _DROPPED,
    b"proxy-connection": _DROPPED,
    b"set-cookie": _COOKIE,
    b"te": _DROPPED,
    b"trailer": _DROPPED,
    b"transfer-encoding": _CODING,
    b"upgrade": _UPGRADE,
}
_NOT_COPIED = frozenset((_CODING, _CONNECTION, _DROPPED, _LENGTH, _UPGRADE))
# Several lines of these are one list (RFC 9110 section 5.3).
_ONE_LIST = frozenset((_CODING, _CONNECTION))
_OPTIONS = frozenset("close keep-alive upgrade".split())
_USUAL_CONNECTION = frozenset(option.encode() for option in _OPTIONS)
# RFC 9112 section 6.3: these end with their head.
BODILESS = frozenset((204, 304))


def read_reply(
    raw: RawReply,
    method: str,
    live: Live | None,
    rules: Rules,
    *,
    path: str = "/",
    portal: bool = False,
) -> Outbound | Refusal:
    """Give a reply of upstream its meaning and filter its headers. `method` and `path` are the
    request's; with `live`, Sonar's session cookies are sealed. Only the `portal` sets our own
    cookies. Upstream is distrusted too: what has two readings is refused."""
    if not 100 <= raw.status < 600:
        return Refusal(502, Reason.UPSTREAM_MALFORMED, "no such status")
    fields: list[Field] = []
    noted: dict[int, bytes] = {}
    unnamed: tuple[Place, ...] = ()
    for field in raw.fields:
        meant = _MEANT.get(field[0].lower())
        if meant is None:
            fields.append(field)
            continue
        name, value = field
        value = value.rstrip(b" \t")
        if meant in noted and meant in _ONE_LIST:
            value = b"%b, %b" % (noted[meant], value)
        noted[meant] = value
        if meant in _NOT_COPIED:
            continue
        if meant == _LOCATION:
            field = name, public_location(value, rules)
        elif meant == _COOKIE and not portal:
            cookie = passing_set_cookie(value, live, path, rules.cookies)
            if cookie is None:
                continue
            field = name, cookie.value
            if cookie.unnamed is not None:
                unnamed += (cookie.unnamed,)
        fields.append(field)
    if wrong := _wrong_with(raw, noted):
        return Refusal(502, Reason.UPSTREAM_MALFORMED, wrong)
    if _CONNECTION in noted and noted[_CONNECTION].lower() not in _USUAL_CONNECTION:
        fields = without(fields, _named(noted[_CONNECTION]))
    return _outbound(raw, method, fields, noted, unnamed)


def _outbound(
    raw: RawReply,
    method: str,
    fields: list[Field],
    noted: dict[int, bytes],
    unnamed: tuple[Place, ...],
) -> Outbound:
    status = raw.status
    return Outbound(
        status,
        raw.phrase,
        fields,
        int(noted[_LENGTH]) if _LENGTH in noted else None,
        method != "HEAD" and status not in BODILESS and status >= 200,
        noted.get(_LOCATION, b""),
        noted.get(_TYPE, b""),
        noted.get(_ENCODING, b""),
        unnamed,
    )


def _wrong_with(raw: RawReply, noted: dict[int, bytes]) -> str:
    """Why a reply cannot be what its headers say; empty when it can."""
    status = raw.status
    if noted.get(_CODING, b"chunked").lower() != b"chunked":
        return "Transfer-Encoding is not chunked"
    if _LOCATION in noted and [name.lower() for name, _ in raw.fields].count(b"location") > 1:
        # Which one a browser follows is anybody's guess.
        return "more than one Location"
    if status >= 200 and status != 204:
        return ""
    # RFC 9112 section 6.1, RFC 9110 section 8.6. Only the length of a 204 is a common slip.
    if _CODING in noted or (status < 200 and noted.get(_LENGTH, b"0") != b"0"):
        return "a body where there is none"
    if status == 101 and noted.get(_UPGRADE, b"").lower() != b"websocket":
        return "switched to another protocol"
    return ""


def _named(options: bytes) -> frozenset[str]:
    """The headers that a Connection value takes away, folded; never those that tell a browser
    what it has got."""
    names = {fold(option.strip()) for option in options.decode("latin-1").lower().split(",")}
    return frozenset(names - _OPTIONS - {"content-type", "content-encoding", "set-cookie", ""})


def browser_head(reply: Outbound, minor: int, *, keep_alive: bool, extra: bytes = b"") -> bytes:
    """The reply head for a browser that speaks HTTP/1.`minor`. `extra`: complete lines of ours."""
    framing = b""
    if reply.length is not None and reply.status != 204:
        framing = b"Content-Length: %d\r\n" % reply.length
    elif reply.chunked and minor:
        framing = b"Transfer-Encoding: chunked\r\n"
    if not keep_alive:
        framing += b"Connection: close\r\n"
    elif not minor:
        framing += b"Connection: keep-alive\r\n"
    line = _status_line(reply.status, reply.phrase)
    return b"".join((line, written(reply.fields), extra, framing, b"\r\n"))


@lru_cache(maxsize=128)
def _status_line(status: int, phrase: bytes) -> bytes:
    return b"HTTP/1.1 %d %b\r\n" % (status, phrase)


def interim_head(reply: Outbound, *, upgraded: bool) -> bytes:
    """A 1xx on its way: its own head, no framing (RFC 9110 section 15.2)."""
    line = _status_line(reply.status, reply.phrase)
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n" if upgraded else b""
    return b"".join((line, written(reply.fields), upgrade, b"\r\n"))


def public_location(location: bytes, rules: Rules) -> bytes:
    """Where upstream sends the browser, with upstream's own address, which no browser can reach,
    replaced by the public one."""
    text = location.decode("latin-1")
    origin = _origin(text)
    if origin not in rules.upstreams or origin == rules.public:
        return location
    parts = urlsplit(text)
    rest = parts._replace(scheme="", netloc="").geturl()
    separator = "" if rest.startswith("/") else "/"
    return f"{rules.public}{separator}{rest}".encode("latin-1")


def leads_to_login(location: bytes, inbound: Inbound, rules: Rules) -> bool:
    """Whether a redirect of Sonar's ends at its own sign-in page."""
    there = own_place(location, inbound, rules)
    # A servlet container writes the session into the path: /login;jsessionid=1
    return (
        there is not None
        and canonical_path(there.path.partition(";")[0] or "/") == rules.login_path
    )


def own_place(location: bytes, inbound: Inbound, rules: Rules) -> SplitResult | None:
    """Where a redirect of Sonar's leads, taken apart; `None` when that is not in our own origin."""
    here = f"{rules.public}{inbound.path}"
    try:
        there = urljoin(here, location.decode("latin-1"))
    except ValueError:
        return None
    origin = _origin(there)
    own = {rules.public, _origin(f"{rules.public.scheme}://{inbound.host}")}
    return urlsplit(there) if origin in own or origin in rules.upstreams else None


def _origin(url: str) -> Origin | None:
    """Scheme, host and port of an absolute URL with nothing else before the path."""
    try:
        parts = urlsplit(url)
        return parse_origin(f"{parts.scheme}://{parts.netloc}")
    except ValueError:
        return None
