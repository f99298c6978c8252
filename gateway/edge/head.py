"""A request head becomes an Inbound, checked and normalised once, or a refusal. Pure.

fields.py has given the headers their meaning; here they meet the request line and the peer: which
path, which host, which client.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from gateway.edge.forwarded import Origin, origin_told
from gateway.edge.inbound import Fields, Inbound, RawHead, Refusal, Told, malformed
from gateway.edge.paths import canonical_path, plain_query
from gateway.edge.peer import Peer, client_address, valid_host
from gateway.edge.rules import Rules
from gateway.reasons import Reason

# HTTP's own and WebDAV's. CONNECT would make us a tunnel to anywhere, TRACE echo cookies to
# scripts (cross-site tracing); the rest that llhttp knows is RTSP and radio.
METHODS = frozenset(
    """
    DELETE GET HEAD OPTIONS PATCH POST PUT
    COPY LOCK MKCOL MOVE PROPFIND PROPPATCH REPORT SEARCH UNLOCK
    """.split()
)

# RFC 9112 section 3.2.2: scheme, authority, and a path or query that may be missing.
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)

# What a link or a form does. Whatever else says that it navigates has nobody to look at a page.
NAVIGATES = frozenset(("GET", "HEAD", "POST"))

_PORTAL = "/sso"
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")

# As strict as llhttp and stricter: one space each, a method and a version that are served.
_LINE = re.compile(rf"({'|'.join(sorted(METHODS))}) (/[!-~]*) HTTP/1\.([01])")

# What is longer is not remembered: a thousand of them would be memory for whoever asks.
LONGEST_REMEMBERED = 2048


@lru_cache(maxsize=1024)
def read_line(line: bytes) -> tuple[str, bytes, int] | None:
    """Method, target and minor version of the plainest request lines."""
    found = _LINE.fullmatch(line.decode("latin-1"))
    return None if found is None else (found[1], found[2].encode("ascii"), int(found[3]))


class Place(NamedTuple):
    """What a request target names: `path` canonical, `query` with its `?` or empty; `for_portal`:
    it is one of the gateway's own pages."""

    path: str
    query: str
    for_portal: bool


def read_head(raw: RawHead, peer: Peer, proto: str, new_id: str, rules: Rules) -> Inbound | Refusal:
    """Give a head its meaning. `proto`: `http` or `https`, as browsers reach us; `new_id`: the
    request id unless a trusted proxy brought one."""
    method, minor, fields = raw.method, raw.minor, raw.fields
    if method not in METHODS:
        return Refusal(405, Reason.METHOD_NOT_ALLOWED, "method not served here")
    if isinstance(fields, Refusal):
        return fields
    host = fields.host
    if not host:
        if minor:
            return malformed("no Host")
        host = rules.public_host
    place = place_of(method, raw.target, host)
    if isinstance(place, Refusal):
        return place
    if fields.framing.chunked and not minor:
        return malformed("Transfer-Encoding in HTTP/1.0")
    client, forwarded_host, request_id = peer.address, host, new_id
    if peer.trusted:
        own = Origin(peer.address, proto, host)
        origin = _told(fields.told, peer, own, rules)
        if origin is None:
            return malformed("Forwarded and X-Forwarded-* tell two stories")
        client, proto, forwarded_host = origin
        if _REQUEST_ID.fullmatch(fields.told.request_id):
            request_id = fields.told.request_id.decode()
    websocket = fields.upgrades_to_websocket and _may_upgrade(method, minor, fields)
    options = fields.options
    return Inbound(
        method,
        place.path,
        place.query,
        minor,
        fields,
        host,
        client,
        proto,
        forwarded_host,
        request_id,
        keep_alive="close" not in options and (minor == 1 or "keep-alive" in options),
        wants_websocket=websocket,
        navigation=fields.navigation and not websocket and method in NAVIGATES,
        for_portal=place.for_portal,
    )


def client_of(fields: Fields | Refusal, peer: Peer, rules: Rules) -> str:
    """The client's address, for the log, of a request that was refused: as a trusted peer tells
    it, unless it tells two."""
    told, clients = fields.told, set()
    if peer.trusted and told.forwarded:
        own = Origin(peer.address, "", "")
        clients.add(origin_told(told.forwarded, peer, own, rules.trusted).client)
    if peer.trusted and told.forwarded_for:
        clients.add(client_address(peer, told.forwarded_for, rules.trusted))
    return clients.pop() if len(clients) == 1 else peer.address


def place_of(method: str, target: bytes, host: str) -> Place | Refusal:
    """RFC 9112 section 3.2: origin-form, absolute-form for this very host, or `OPTIONS *`."""
    if target.startswith(b"/"):
        usual = len(target) <= LONGEST_REMEMBERED
        return _known_origin_form(target) if usual else _origin_form(target)
    if target == b"*":
        return Place("*", "", for_portal=False) if method == "OPTIONS" else malformed("target is *")
    found = _ABSOLUTE.fullmatch(target)
    # Two hosts in one request: caches and servers disagree about which one counts.
    if found is None or found[1].lower() != host.lower().encode():
        return malformed("target names another host or none")
    if method == "OPTIONS" and not found[2]:
        return Place("*", "", for_portal=False)
    return _origin_form(found[2] if found[2].startswith(b"/") else b"/" + found[2])


def _origin_form(target: bytes) -> Place | Refusal:
    """A path, canonical from here on, and a query, which stays as it came."""
    raw, question, query = target.decode("latin-1").partition("?")
    path = canonical_path(raw)
    if path is None:
        return malformed("path has two readings")
    if not plain_query(query):
        return malformed("query has a forbidden character")
    for_portal = path == _PORTAL or path.startswith(f"{_PORTAL}/")
    return Place(path, question + query, for_portal)


# A person's pages ask for the same few hundred paths again and again.
_known_origin_form = lru_cache(maxsize=1024)(_origin_form)


def _told(told: Told, peer: Peer, own: Origin, rules: Rules) -> Origin | None:
    """Where a trusted proxy says a request came from, each only where it is plain; `None`: it says
    so in two ways that differ. Then it wrote one of them, and its client the other."""
    x_forwarded = told.forwarded_for or told.forwarded_proto or told.forwarded_host
    if not told.forwarded:
        return _told_by_x(told, peer, own, rules) if x_forwarded else own
    origin = origin_told(told.forwarded, peer, own, rules.trusted)
    if x_forwarded and origin != _told_by_x(told, peer, own, rules):
        return None
    return origin


def _told_by_x(told: Told, peer: Peer, own: Origin, rules: Rules) -> Origin:
    """What X-Forwarded-For, -Proto and -Host say."""
    _, proto, host = own
    if told.forwarded_proto.lower() in {b"http", b"https"}:
        proto = told.forwarded_proto.lower().decode()
    if valid_host(told.forwarded_host):
        host = told.forwarded_host.decode()
    return Origin(client_address(peer, told.forwarded_for or None, rules.trusted), proto, host)


def _may_upgrade(method: str, minor: int, fields: Fields) -> bool:
    """Only WebSocket is upgraded to. `h2c` would let a client speak past us inside the tunnel
    (h2c smuggling); an upgrade that is ignored is an ordinary request (RFC 9110 section 7.8)."""
    return method == "GET" and minor == 1 and not fields.framing.has_body
