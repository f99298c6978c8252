"""A request head becomes an Inbound, checked and normalised once, or a refusal. Pure.

What arrives here was tokenised by llhttp, which refuses broken framing, odd line ends, folded
lines, spaces before colons and control characters. Here it gets its meaning, and what still could
be read in two ways is refused: a path, a host, a framing.
"""

import re
from functools import lru_cache

from gateway.edge.cookies import NO_COOKIES, read_cookies
from gateway.edge.inbound import (
    CHUNKED,
    NO_BODY,
    Framing,
    Inbound,
    Origins,
    Place,
    RawHead,
    Refusal,
)
from gateway.edge.names import Field, HeaderNames, fold, without
from gateway.edge.paths import canonical_path, plain_query
from gateway.edge.peer import Peer, client_address, valid_host
from gateway.edge.rules import Rules
from gateway.reasons import Reason

# HTTP's own and WebDAV's. CONNECT would make us a tunnel to anywhere, TRACE echo cookies to
# scripts (cross-site tracing); the rest that llhttp knows is RTSP and radio.
_METHODS = frozenset(
    """
    DELETE GET HEAD OPTIONS PATCH POST PUT
    COPY LOCK MKCOL MOVE PROPFIND PROPPATCH REPORT SEARCH UNLOCK
    """.split()
)
# More header lines than any browser and proxy chain sends; Apache's limit too.
MOST_FIELDS = 100

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_LENGTH = re.compile(rb"[0-9]{1,18}")
# Of these only one can be meant; two that differ are how requests are smuggled.
_ONCE = frozenset("content-length expect host transfer-encoding upgrade".split())

_NOTHING: frozenset[str] = frozenset()
_OPTIONS = frozenset(("close", "keep-alive", "upgrade"))
# What browsers send, so that their requests skip the parsing.
_USUAL_CONNECTION = {
    spelling: frozenset((spelling.decode().lower(),))
    for spelling in (b"keep-alive", b"Keep-Alive", b"close", b"Upgrade", b"upgrade")
}


def read_head(raw: RawHead, peer: Peer, proto: str, new_id: str, rules: Rules) -> Inbound | Refusal:
    """Give a head its meaning. `proto`: `http` or `https`, as browsers reach us; `new_id`: the
    request id unless a trusted proxy brought one."""
    fields, noted, twice = _sort(
        raw.fields, rules.names_from_trusted if peer.trusted else rules.names
    )
    refusal = _refusal(raw, noted, twice, rules)
    if refusal is not None:
        return refusal
    host = noted.get("host", rules.public_host)
    place = _place(raw.method, raw.target, host)
    if isinstance(place, Refusal):
        return place
    framing = _framing(noted, raw.minor)
    if isinstance(framing, Refusal):
        return framing
    options, named = _connection(noted.get("connection"))
    if named:
        fields = without(fields, named)
    cookie = noted.get("cookie")
    origins = Origins(peer.address, proto, host, new_id)
    if peer.trusted:
        origins = _told(origins, peer, noted, rules)
    websocket = _wants_websocket(raw, options, noted, framing)
    accepts_html = b"text/html" in noted.get("accept", b"")
    return Inbound(
        raw.method,
        place.path,
        place.query,
        raw.minor,
        host,
        origins,
        NO_COOKIES if cookie is None else read_cookies(cookie, rules.cookies),
        fields,
        framing,
        "expect" in noted and raw.minor == 1,
        websocket,
        "close" not in options and (raw.minor == 1 or "keep-alive" in options),
        not websocket and _is_navigation(noted, accepts_html),
        accepts_html,
    )


def _malformed(detail: str) -> Refusal:
    return Refusal(400, Reason.REQUEST_MALFORMED, detail)


def _sort(
    fields: list[Field], names: HeaderNames
) -> tuple[list[Field], dict[str, bytes], str | None]:
    """The headers that may pass, the values that mean something here, and which of these came
    twice although only one can be meant."""
    passing: list[Field] = []
    noted: dict[str, bytes] = {}
    twice: str | None = None
    known = names.known
    for field in fields:
        name = field[0]
        note, passes = known.get(name) or names.fate(name)
        if passes:
            passing.append(field)
        if note is None:
            continue
        value = field[1].strip(b" \t")
        if note not in noted:
            noted[note] = value
        elif note in _ONCE:
            twice = note
        else:
            noted[note] += (b"; " if note == "cookie" else b", ") + value
    return passing, noted, twice


def _refusal(
    raw: RawHead, noted: dict[str, bytes], twice: str | None, rules: Rules
) -> Refusal | None:
    """What is wrong with the head as a whole."""
    if raw.method not in _METHODS:
        return Refusal(405, Reason.METHOD_NOT_ALLOWED, "method not served here")
    if len(raw.fields) > MOST_FIELDS:
        return Refusal(431, Reason.REQUEST_TOO_LARGE, f"more than {MOST_FIELDS} header lines")
    if twice is not None:
        return _malformed(f"{twice} twice")
    if "host" not in noted:
        return _malformed("no Host") if raw.minor else None
    if noted["host"] != rules.public_host and not valid_host(noted["host"]):
        return _malformed("Host is not a host")
    if noted.get("expect", b"100-continue").lower() != b"100-continue":
        return Refusal(417, Reason.REQUEST_MALFORMED, "Expect is not 100-continue")
    return None


def _place(method: str, target: bytes, host: bytes) -> Place | Refusal:
    """RFC 9112 section 3.2: origin-form, absolute-form for this very host, or `OPTIONS *`."""
    if target.startswith(b"/"):
        return _origin_form(target)
    if target == b"*":
        return Place("*", "") if method == "OPTIONS" else _malformed("target is *")
    scheme, separator, rest = target.partition(b"://")
    authority, _, rest = rest.partition(b"/")
    known = separator and scheme.lower() in {b"http", b"https"}
    # Two hosts in one request: caches and servers disagree about which one counts.
    if not known or authority.lower() != host.lower():
        return _malformed("target names another host or none")
    return _origin_form(b"/" + rest)


# A person's pages ask for the same few hundred paths again and again.
@lru_cache(maxsize=1024)
def _origin_form(target: bytes) -> Place | Refusal:
    """A path, canonical from here on, and a query, which stays as it came."""
    raw, question, query = target.decode("latin-1").partition("?")
    path = canonical_path(raw)
    if path is None:
        return _malformed("path has two readings")
    if not plain_query(query):
        return _malformed("query has a forbidden character")
    return Place(path, question + query)


def _framing(noted: dict[str, bytes], minor: int) -> Framing | Refusal:
    """RFC 9112 section 6: one way to tell the length, in its plainest spelling, or a refusal."""
    length, coding = noted.get("content-length"), noted.get("transfer-encoding")
    if coding is not None:
        # Request smuggling lives on a length that two servers see differently.
        if length is not None or minor == 0:
            return _malformed("Transfer-Encoding beside Content-Length or in HTTP/1.0")
        if coding.lower() != b"chunked":
            return Refusal(501, Reason.REQUEST_MALFORMED, "Transfer-Encoding is not chunked")
        return CHUNKED
    if length is None:
        return NO_BODY
    if not _LENGTH.fullmatch(length):
        return _malformed("Content-Length is not a plain number")
    return Framing(int(length), False)


def _connection(value: bytes | None) -> tuple[frozenset[str], frozenset[str]]:
    """The options of Connection, lower case, and those of them that name headers, folded."""
    if value is None:
        return _NOTHING, _NOTHING
    known = _USUAL_CONNECTION.get(value)
    if known is not None:
        return known, _NOTHING
    text = value.decode("latin-1").lower()
    options = frozenset(option.strip(" \t") for option in text.split(","))
    return options, frozenset(fold(option) for option in options - _OPTIONS if option)


def _told(origins: Origins, peer: Peer, noted: dict[str, bytes], rules: Rules) -> Origins:
    """What a trusted proxy says, each thing only where it is plain."""
    client = client_address(peer, noted.get("x-forwarded-for"), rules.trusted)
    proto = noted.get("x-forwarded-proto", b"").lower()
    host = noted.get("x-forwarded-host", b"")
    request_id = noted.get("x-request-id", b"")
    return Origins(
        client,
        proto.decode() if proto in {b"http", b"https"} else origins.proto,
        host if valid_host(host) else origins.host,
        request_id.decode() if _REQUEST_ID.fullmatch(request_id) else origins.request_id,
    )


def _wants_websocket(
    raw: RawHead, options: frozenset[str], noted: dict[str, bytes], framing: Framing
) -> bool:
    """Only WebSocket is upgraded to. `h2c` would let a client speak past us inside the tunnel
    (h2c smuggling); an upgrade that is ignored is an ordinary request (RFC 9110 section 7.8)."""
    return (
        "upgrade" in options
        and noted.get("upgrade", b"").lower() == b"websocket"
        and raw.method == "GET"
        and raw.minor == 1
        and not framing.has_body
    )


def _is_navigation(noted: dict[str, bytes], accepts_html: bool) -> bool:
    """Whether a person looks at the answer, so that a redirect to the sign-in page helps.

    Browsers say so in Sec-Fetch-Mode (https://www.w3.org/TR/fetch-metadata/); of an old one that
    does not, a page is what asks for HTML and no script asked for it.
    """
    mode = noted.get("sec-fetch-mode")
    if mode is not None:
        return mode == b"navigate"
    return accepts_html and "x-requested-with" not in noted
