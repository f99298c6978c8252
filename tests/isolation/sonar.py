"""Upstream that says to everybody who it takes them for, and misbehaves when it is asked to.

A reply tells, in its body and in a header, the account of the identity headers, the subject of the
verified assertion, the session cookie as it arrived and the path; and now and then it sets the
session cookie anew, for that account. What a path asks for:

    /echo/…  a plain reply        /late/…  a few milliseconds later
    /big/…   in chunks, much of it   /cut/…   half of a reply, then a reset
"""

import asyncio
import re
from itertools import count
from typing import Any, cast

from joserfc import jwt
from joserfc.jwk import KeySet

_ACCOUNT = re.compile(rb"\r\nX-Sonar-Account-Id: ([^\r]*)")
_ASSERTION = re.compile(rb"\r\nX-Sonar-Assertion: ([^\r]*)")
_COOKIE = re.compile(rb"\r\nCookie: (?:[^\r]*; )?SONARSESSID=([^;\r]*)")
_LENGTH = re.compile(rb"\r\nContent-Length: ([0-9]+)")
# As an application does: now and then, so that in between a browser says the same again and again,
# and the gateway remembers it.
_SETS_COOKIE = 16
# More than any buffer on the way holds.
BIG = b"x" * 300_000


class Sonar:
    """What its connections share. `odd`: what no gateway may send."""

    def __init__(self) -> None:
        self.keys: KeySet | None = None
        self.odd: list[str] = []
        self.asked = 0
        self.numbers = count()
        self._subjects: dict[bytes, bytes] = {}
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def know(self, jwks: dict[str, Any]) -> None:
        self.keys = KeySet.import_key_set(cast(Any, jwks))

    def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    def subject(self, assertion: bytes) -> bytes:
        """Whose assertion it is; each one is verified once."""
        subject = self._subjects.get(assertion)
        if subject is None:
            assert self.keys is not None
            claims = jwt.decode(assertion.decode(), self.keys, algorithms=["ES256"]).claims
            subject = self._subjects[assertion] = claims["sub"].encode()
        return subject

    def told(self, head: bytes) -> tuple[bytes, bytes]:
        """The path, and who upstream takes the asking person for."""
        self.asked += 1
        path = head.split(b" ", 2)[1]
        account = _only(_ACCOUNT.findall(head))
        assertion = _only(_ASSERTION.findall(head))
        subject = self.subject(assertion) if assertion else b"-"
        cookie = _only(_COOKIE.findall(head)) or b"-"
        return path, b"%b %b %b %b" % (account or b"-", subject, cookie, path)


def _only(found: list[bytes]) -> bytes:
    assert len(found) <= 1, found
    return found[0] if found else b""


class _Connection(asyncio.Protocol):
    """Answers one request after the other."""

    def __init__(self, sonar: Sonar) -> None:
        self._sonar = sonar
        self._waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        head, end, rest = self._waiting.partition(b"\r\n\r\n")
        if not end:
            return
        found = _LENGTH.search(head)
        length = int(found[1]) if found else 0
        if len(rest) < length:
            return
        if len(rest) > length:
            self._sonar.odd.append(f"a request before the reply to the one before: {rest!r}")
        self._waiting = b""
        try:
            path, told = self._sonar.told(head)
        except Exception as error:
            self._sonar.odd.append(repr(error))
            self._transport.abort()
            return
        self._answer(path.split(b"/")[1], told + b" " + rest[:length])

    def _late(self, reply: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(reply)

    def _answer(self, kind: bytes, told: bytes) -> None:
        account = told.partition(b" ")[0]
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Told: %b\r\n" % told
        number = next(self._sonar.numbers)
        if number % _SETS_COOKIE == 0:
            head += b"Set-Cookie: SONARSESSID=%b.%d; Path=/\r\n" % (account, number)
        if kind == b"big":
            self._transport.write(
                head
                + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(told), told)
                + b"%x\r\n%b\r\n0\r\n\r\n" % (len(BIG), BIG)
            )
            return
        reply = head + b"Content-Length: %d\r\n\r\n" % len(told) + told
        if kind == b"late":
            delay = 0.001 + len(told) % 4 / 1000
            asyncio.get_running_loop().call_later(delay, self._late, reply)
        elif kind == b"cut":
            self._transport.write(reply[: len(reply) - 5])
            asyncio.get_running_loop().call_soon(self._transport.abort)
        else:
            self._transport.write(reply)
