"""The request head that upstream gets. Pure.

Ours are written after the client's were filtered (names.py), so that nothing a client sends can
take their place or delete them (Oathkeeper GHSA-w9mr, Traefik CVE-2024-45410). Framing is always
written anew from what was understood, never copied.
"""

from typing import Final, final

from gateway.edge.inbound import Inbound
from gateway.edge.names import without, written
from gateway.session.entry import Live

# A page that a fragment goes into must come whole, fresh and in an encoding we can read.
_WHOLE_PAGE = frozenset(
    """
    accept-encoding if-match if-modified-since if-none-match if-range if-unmodified-since range
    """.split()
)

_READABLE = (b"Accept-Encoding", b"gzip, br, zstd")


def upstream_head(inbound: Inbound, live: Live | None, now: float, *, whole_page: bool) -> bytes:
    """The request head for Sonar. `live`: whose identity goes with it. `whole_page`: the reply
    will be changed, so nothing conditional, no part of it, in an encoding we read."""
    fields = inbound.fields
    identity = b"" if live is None else live.identity_headers(now)
    lines = fields.passing_lines
    if whole_page:
        lines = written([*without(fields.passing, _WHOLE_PAGE), _READABLE])
    elif (
        live is not None
        and fields.familiar
        and not (inbound.wants_websocket or fields.expects_continue)
    ):
        return _start(inbound) + _remembered(inbound, live, identity)
    return _start(inbound) + _rest(inbound, lines, fields.cookies.upstream(live), identity)


def portal_head(inbound: Inbound) -> bytes:
    """The request head for the portal, which reads every cookie itself."""
    fields = inbound.fields
    return _start(inbound) + _rest(inbound, fields.passing_lines, fields.cookies.header, b"")


def unsent_head(inbound: Inbound, handed: Inbound) -> bytes:
    """The request head for the portal of a form that Sonar does not get. Where it was meant to go
    is in a header that no client can send: names that begin like it never pass."""
    meant = f"X-Sonar-Meant: {inbound.path}{inbound.query}\r\n".encode("ascii")
    fields = inbound.fields
    lines = meant + fields.passing_lines
    return _start(handed) + _rest(handed, lines, fields.cookies.header, b"")


def _start(inbound: Inbound) -> bytes:
    """What is another with each request."""
    return (
        f"{inbound.method} {inbound.path}{inbound.query} HTTP/1.1\r\nHost: {inbound.host}\r\n"
        f"X-Request-ID: {inbound.request_id}\r\n"
    ).encode("ascii")


def _rest(inbound: Inbound, lines: bytes, cookie: bytes, identity: bytes) -> bytes:
    """What follows, the blank line too."""
    seen = (
        f"X-Forwarded-For: {inbound.client}\r\nX-Forwarded-Proto: {inbound.proto}\r\n"
        f"X-Forwarded-Host: {inbound.forwarded_host}\r\n"
    ).encode("ascii")
    if cookie:
        lines += b"Cookie: %b\r\n" % cookie
    if inbound.wants_websocket:
        lines += b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    if inbound.fields.expects_continue and inbound.minor:
        lines += b"Expect: 100-continue\r\n"
    return b"".join((seen, lines, inbound.fields.framing_lines, identity, b"\r\n"))


@final
class _Rest:
    """The rest of a head that a session had before, and what it was made of besides the fields."""

    __slots__ = ("client", "host", "identity", "lines", "proto")

    def __init__(self, inbound: Inbound, identity: bytes, lines: bytes) -> None:
        self.client: Final = inbound.client
        self.proto: Final = inbound.proto
        self.host: Final = inbound.forwarded_host
        self.identity: Final = identity
        self.lines: Final = lines

    def serves(self, inbound: Inbound, identity: bytes) -> bool:
        return (
            self.identity is identity
            and self.client == inbound.client
            and self.host == inbound.forwarded_host
            and self.proto == inbound.proto
        )


def _remembered(inbound: Inbound, live: Live, identity: bytes) -> bytes:
    """A browser sends the same headers with request after request of its session, so that the same
    lines go upstream: made once, kept with the session, by the fields they were made of."""
    fields = inbound.fields
    known = live.remembered.get(fields)
    if isinstance(known, _Rest) and known.serves(inbound, identity):
        return known.lines
    lines = _rest(inbound, fields.passing_lines, fields.cookies.upstream(live), identity)
    live.remember(fields, _Rest(inbound, identity, lines))
    return lines
