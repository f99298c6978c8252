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

from typing import assert_never

from gateway.edge.head import METHODS, NAVIGATES, place_of
from gateway.edge.inbound import Inbound, Refusal
from gateway.edge.peer import Peer
from gateway.edge.rules import Rules
from gateway.reasons import Reason
from gateway.session.entry import Live

_PATH = b"/sso/auth"
_PATH_OF_ENVOY = b"/sso/auth/"


def with_question(inbound: Inbound, target: bytes, peer: Peer, rules: Rules) -> Inbound:
    """A request for the portal, with what it asks when it is a question. `target`: of its request
    line, as it came."""
    if rules.forward_auth is None:
        return inbound
    if rules.forward_auth == "envoy":
        asks = target.startswith(_PATH_OF_ENVOY)
    else:
        # Caddy leaves the query of the request in question here too; it means nothing.
        asks = target.partition(b"?")[0] == _PATH
    if not asks:
        return inbound
    return Inbound(
        inbound.method,
        inbound.path,
        inbound.query,
        inbound.minor,
        inbound.fields,
        inbound.host,
        inbound.client,
        inbound.proto,
        inbound.forwarded_host,
        inbound.request_id,
        keep_alive=inbound.keep_alive,
        wants_websocket=inbound.wants_websocket,
        navigation=inbound.navigation,
        for_portal=True,
        asked=_asked(inbound, target, peer, rules),
    )


def vouching_reply(asked: Inbound, live: Live | None, now: float, rules: Rules) -> bytes:
    """The reply, less what ends its head, to a proxy that may forward `asked`: what Sonar is to get
    from it. `Cookie` is the whole of the header, with everything in it that is ours taken out.
    Raises `DirectoryUnavailable` when an identity cannot be told in headers."""
    identity = b"" if live is None else live.identity_headers(now)
    cookie = asked.fields.cookies.upstream(live)
    head = (
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nCache-Control: no-store\r\n"
        f"X-Request-ID: {asked.request_id}\r\n"
    ).encode("ascii")
    if cookie:
        identity += b"Cookie: %b\r\n" % cookie
    if rules.forward_auth == "envoy":
        return b"".join((head, identity, _removed(identity, rules)))
    return head + identity


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
        return _malformed("a header that would reach Sonar past the gateway")
    said = _said(inbound, target, rules)
    if isinstance(said, Refusal):
        return said
    method, uri = said
    if method not in METHODS:
        return Refusal(405, Reason.METHOD_NOT_ALLOWED, "method not served here")
    if not uri.startswith(b"/"):
        return _malformed("asks about no path")
    place = place_of(method, uri, inbound.host)
    if isinstance(place, Refusal):
        return place
    spelling = uri.partition(b"?")[0].decode("latin-1")
    if rules.is_public(place.path) and not rules.is_public(spelling):
        return _malformed("public in another spelling only")
    websocket = fields.question.websocket or fields.upgrades_to_websocket
    return Inbound(
        method,
        place.path,
        place.query,
        inbound.minor,
        fields,
        inbound.host,
        inbound.client,
        inbound.proto,
        inbound.forwarded_host,
        inbound.request_id,
        keep_alive=inbound.keep_alive,
        wants_websocket=websocket,
        navigation=fields.navigation and not websocket and method in NAVIGATES,
        for_portal=place.for_portal,
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
            return _malformed("nobody may ask")
        case _:
            assert_never(rules.forward_auth)
    if any(said != (None, None) for said in unused):
        return _malformed("asks in two ways at once")
    if uri is None or method is None:
        return _malformed("does not say what it asks about")
    return method.decode("latin-1"), uri


def _malformed(detail: str) -> Refusal:
    return Refusal(400, Reason.REQUEST_MALFORMED, detail)
