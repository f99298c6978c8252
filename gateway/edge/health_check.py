"""One question of the gateway's own to an address of upstream: whether it works, or for a page."""

import asyncio
from typing import NamedTuple

from gateway.edge.events import END, Known, Malformed, ReplyEvent
from gateway.edge.headers import RawReply
from gateway.edge.upstream import Connection

# So that Sonar's own log says who asks.
_USER_AGENT = "sonar-gateway-health"


class Heard(NamedTuple):
    """What upstream answered: status and body, as far as wanted, and its `Set-Cookie` values; or
    what is `wrong`."""

    status: int
    body: bytes
    wrong: str = ""
    cookies: tuple[bytes, ...] = ()


def question(path: str, host: str) -> bytes:
    """The request for `path`, to the `host` that browsers type."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {_USER_AGENT}\r\n"
        "Accept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n"
    ).encode("ascii")


def is_healthy(status: int) -> bool:
    return 200 <= status < 400


async def answer_to(
    connection: Connection, question: bytes, within: float, *, most: int = 0
) -> Heard:
    """Ask on a connection of its own, and close it. `within` seconds; `most`: bytes of the body
    that are wanted."""
    asker = _Asker(most)
    connection.send(asker, "GET", question)
    try:
        async with asyncio.timeout(within):
            return await asker.heard
    except TimeoutError:
        return Heard(0, b"", f"no answer within {within:g} s")
    finally:
        connection.close()


class _Asker:
    """Who asks. `heard` is set as soon as enough has come."""

    def __init__(self, most: int) -> None:
        self.heard: asyncio.Future[Heard] = asyncio.get_running_loop().create_future()
        self._most = most
        self._status = 0
        self._body = bytearray()
        self._cookies: tuple[bytes, ...] = ()

    def replied(self, events: list[ReplyEvent]) -> None:
        for event in events:
            if isinstance(event, bytes):
                self._body += event
            elif isinstance(event, Malformed):
                self._done(f"malformed answer: {event.detail}")
            elif isinstance(event, RawReply):
                self._status = event.status
                self._cookies = tuple(
                    value for name, value in event.fields if name.lower() == b"set-cookie"
                )
            elif isinstance(event, Known):
                self._status = event.reply.status
            final = self._status >= 200
            if final and (event is END or len(self._body) >= self._most):
                self._done()

    def upstream_lost(self, *, complete: bool) -> None:
        self._done("" if complete else "connection closed before the answer was complete")

    def upstream_full(self, *, full: bool) -> None:
        """The question is short."""

    def _done(self, wrong: str = "") -> None:
        if not self.heard.done():
            self.heard.set_result(Heard(self._status, bytes(self._body), wrong, self._cookies))
