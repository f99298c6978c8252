"""What a proxy asks at /sso/auth (may this request, which I hold, go to Sonar, and as whom?), and
what it is told. Pure.

Whoever runs nginx, Traefik, Caddy or Envoy already keeps it: it asks here before it lets a request
pass (docs/forward-auth.md). Each says in a way of its own what it asks about:

    nginx           X-Original-URI, X-Original-Method      as docs/forward-auth/nginx.conf sets them
    Traefik, Caddy  X-Forwarded-Uri, X-Forwarded-Method    as they always send them
    Envoy           GET /sso/auth/voicemail?folder=new     its `path_prefix` and the path itself

Rules
    Who can put words into a proxy's mouth decides for whom the gates open (authentik GHSA-5wcc,
    oauth2-proxy CVE-2026-40575). So only a trusted peer may ask, only in the one way of the proxy
    that `server.forward_auth` names, and a question that says it in another way as well is refused:
    what the proxy did not write, its client did.
    The proxy hands its client's headers to Sonar itself. What we drop on our own way (an identity
    header, `X_Sonar_Username`, `X-Rewrite-URL`) it may not know of: such a question is refused.
    So is a path that is public in another spelling only: the proxy forwards the spelling it got.
"""

from typing import Final, assert_never, final

from gateway.edge.field_reader import MOST_REMEMBERED, weight
from gateway.edge.head import METHODS, NAVIGATES, Place, place_of, read_head
from gateway.edge.inbound import Inbound, RawHead, Refusal, malformed
from gateway.edge.memory import Memory
from gateway.edge.peer import Peer
from gateway.edge.rules import Rules
from gateway.reasons import Reason
from gateway.session.entry import Live

_PATH = b"/sso/auth"
_PATH_OF_ENVOY = b"/sso/auth/"

# A longer question is not remembered: a person's pages ask about the same few hundred paths.
_LONGEST_REMEMBERED = 4096


class Questions:
    """Reads heads where a proxy may ask.

    The same question, byte for byte, from the same peer means the same, and is not read again. Its
    headers are the same when `Fields` is the same object (fields.py). What may change from one time
    to the next (session, policies, time) is no part of it.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: Memory[tuple[object, ...], Inbound] = Memory(MOST_REMEMBERED)

    def read(
        self, raw: RawHead, peer: Peer, proto: str, new_id: str, rules: Rules
    ) -> Inbound | Refusal:
        """As `read_head`, and when it is a question, what it is about. `request_id` is empty for a
        question whose proxy gave it none."""
        if not raw.target.startswith(_PATH):
            return read_head(raw, peer, proto, new_id, rules)
        key = (raw.fields, raw.target, raw.method, raw.minor, peer, proto)
        known = self._known.get(key)
        if known is not None:
            return known
        inbound = read_head(raw, peer, proto, "", rules)
        if isinstance(inbound, Refusal):
            return inbound
        if not _asks(raw.target, rules):
            return read_head(raw, peer, proto, new_id, rules)
        asked = _asked(inbound, raw.target, peer, rules)
        question = _copy(inbound, asked=asked)
        familiar = inbound.fields.familiar
        if familiar and isinstance(asked, Inbound) and _size(question) <= _LONGEST_REMEMBERED:
            self._known.keep(key, question, weight(_size(question), inbound.fields))
        return question


def _size(question: Inbound) -> int:
    """How many bytes it was made of, as far as they can be many. What it asks about is said in a
    header or in its own target, whatever proxy it comes from."""
    fields = question.fields
    said, told = fields.question, fields.told
    size = len(question.query) + len(question.path) + len(told.forwarded_for) + len(told.forwarded)
    for uri in (said.original_uri, said.forwarded_uri):
        size += 0 if uri is None else len(uri)
    return size + len(fields.passing_lines) + len(fields.cookies.header)


def vouching_reply(
    asked: Inbound, live: Live | None, now: float, request_id: str, rules: Rules
) -> bytes:
    """The reply, less what ends its head, to a proxy that may forward `asked`: what Sonar is to get
    from it. `Cookie` is the whole of the header, with everything in it that is ours taken out.
    Raises `DirectoryUnavailable` when an identity cannot be told in headers."""
    cookies = asked.fields.cookies
    if live is None:
        lines = _lines(b"", cookies.upstream(None), rules)
    else:
        identity = live.identity_headers(now)
        known = live.remembered.get(cookies.header)
        if isinstance(known, _Vouched) and known.identity is identity:
            lines = known.lines
        else:
            lines = _lines(identity, cookies.upstream(live), rules)
            live.remember(cookies.header, _Vouched(identity, lines))
    return (
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nCache-Control: no-store\r\n"
        b"X-Request-ID: %b\r\n%b" % (request_id.encode("ascii"), lines)
    )


@final
class _Vouched:
    """What a proxy was told for a session and a Cookie header, and with which identity."""

    __slots__ = ("identity", "lines")

    def __init__(self, identity: bytes, lines: bytes) -> None:
        self.identity: Final = identity
        self.lines: Final = lines


def _lines(identity: bytes, cookie: bytes, rules: Rules) -> bytes:
    if cookie:
        identity += b"Cookie: %b\r\n" % cookie
    return identity + _removed(identity, rules) if rules.forward_auth == "envoy" else identity


def _asks(target: bytes, rules: Rules) -> bool:
    if rules.forward_auth is None:
        return False
    if rules.forward_auth == "envoy":
        return target.startswith(_PATH_OF_ENVOY)
    # Caddy leaves the query of the request in question here too; it means nothing.
    return target.partition(b"?")[0] == _PATH


def _removed(lines: bytes, rules: Rules) -> bytes:
    """Envoy sets what it is told and leaves the rest as its client sent it, unless told so too
    (https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/auth/v3/external_auth.proto)."""
    names = (*rules.identity_names, "Cookie")
    said = {line.partition(b":")[0] for line in lines.split(b"\r\n")}
    absent = ",".join(name for name in names if name.encode("ascii") not in said)
    return f"X-Envoy-Auth-Headers-To-Remove: {absent}\r\n".encode("ascii") if absent else b""


def _asked(inbound: Inbound, target: bytes, peer: Peer, rules: Rules) -> Inbound | Refusal:
    """The request that is asked about, with its client's headers, which the question repeats."""
    if not peer.trusted:
        detail = f"{peer.address} is not in server.trusted_proxies"
        return Refusal(403, Reason.PEER_UNTRUSTED, detail)
    fields = inbound.fields
    if fields.question.forged:
        return malformed("a header that would reach Sonar past the gateway")
    said = _said(inbound, target, rules)
    if isinstance(said, Refusal):
        return said
    method, uri = said
    if method not in METHODS:
        return Refusal(405, Reason.METHOD_NOT_ALLOWED, "method not served here")
    if not uri.startswith(b"/"):
        return malformed("asks about no path")
    place = place_of(method, uri, inbound.host)
    if isinstance(place, Refusal):
        return place
    spelling = uri.partition(b"?")[0].decode("latin-1")
    if rules.is_public(place.path) and not rules.is_public(spelling):
        return malformed("public in another spelling only")
    return _copy(inbound, method=method, place=place)


def _copy(
    inbound: Inbound,
    *,
    method: str | None = None,
    place: Place | None = None,
    asked: Inbound | Refusal | None = None,
) -> Inbound:
    """`inbound`, which asks about `asked`; or what it asks about: `method` and `place`, with the
    same headers."""
    fields = inbound.fields
    websocket, navigation = inbound.wants_websocket, inbound.navigation
    if method is not None:
        websocket = fields.question.websocket or fields.upgrades_to_websocket
        navigation = fields.navigation and not websocket and method in NAVIGATES
    return Inbound(
        inbound.method if method is None else method,
        inbound.path if place is None else place.path,
        inbound.query if place is None else place.query,
        inbound.minor,
        fields,
        inbound.host,
        inbound.client,
        inbound.proto,
        inbound.forwarded_host,
        inbound.request_id,
        keep_alive=inbound.keep_alive,
        wants_websocket=websocket,
        navigation=navigation,
        for_portal=inbound.for_portal if place is None else place.for_portal,
        asked=asked,
    )


def _said(inbound: Inbound, target: bytes, rules: Rules) -> tuple[str, bytes] | Refusal:
    """Method and target of the request that is asked about, in the one way they may be told."""
    question = inbound.fields.question
    original = question.original_method, question.original_uri
    forwarded = question.forwarded_method, question.forwarded_uri
    in_path = inbound.method.encode("ascii"), target[len(_PATH) :]
    unused: tuple[tuple[bytes | None, bytes | None], ...]
    match rules.forward_auth:
        case "nginx":
            (method, uri), unused = original, (forwarded,)
        case "traefik" | "caddy":
            (method, uri), unused = forwarded, (original,)
        case "envoy":
            (method, uri), unused = in_path, (original, forwarded)
        case None:
            return malformed("nobody may ask")
        case _:
            assert_never(rules.forward_auth)
    if any(said != (None, None) for said in unused):
        return malformed("asks in two ways at once")
    if uri is None or method is None:
        return malformed("does not say what it asks about")
    return method.decode("latin-1"), uri
