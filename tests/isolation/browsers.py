"""Many connections that speak for many people at once, and look at every reply.

A connection sends a few requests ahead, each for another person, as a proxy before the gateway
would, and checks that reply after reply belongs to the person who asked: account, assertion and
session cookie as upstream saw them, path, body, and the header that says it once more. Now and then
somebody hangs up at a random place, reads slowly, or tries another person's sealed cookie.
"""

import asyncio
import random
import re
from collections import deque
from dataclasses import dataclass, field
from typing import cast

from gateway.session.cookie import SEALED_PREFIX
from tests.isolation.sonar import BIG

_AHEAD = 8
# Enough to see that it goes on.
_MOST_UNANSWERED = 100
_SEALED = b"SONARSESSID=" + SEALED_PREFIX.encode()
_SET_COOKIE = re.compile(rb"\r\nSet-Cookie: (SONARSESSID=[^;\r]*)")
_TOLD = re.compile(rb"\r\nX-Told: ([^\r]*)")
_LENGTH = re.compile(rb"\r\nContent-Length: ([0-9]+)")
_KINDS = (b"echo",) * 90 + (b"late",) * 6 + (b"post",) * 3 + (b"big",)


@dataclass
class Person:
    """`sealed`: Sonar's cookie as this person's browser has it, empty before the first reply."""

    account: bytes
    session: bytes
    sealed: bytes = b""
    answered: int = 0


@dataclass
class Expected:
    """What the reply to one request must say. `cookie`: what Sonar may have seen, exactly or, with
    a dot at its end, up to a number."""

    person: Person
    path: bytes
    account: bytes
    cookie: bytes
    body: bytes
    keeps: bool
    cut: bool


@dataclass
class Crowd:
    """Everybody, and what came of it. `wrong`: replies that belong to somebody else; `unanswered`:
    those with 503 instead, as when the store is too slow. `warm` is set after `early` replies,
    `over` after `total`, one wrong or many unanswered ones."""

    people: list[Person]
    port: int
    total: int
    early: int
    random: random.Random
    wrong: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    checked: int = 0
    lost: int = 0
    hung_up: int = 0
    stolen: int = 0
    broken_off: int = 0
    warm: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    _connecting: set[asyncio.Task[None]] = field(default_factory=set)

    def again(self) -> None:
        """A connection has ended: another takes its place."""
        task = asyncio.get_running_loop().create_task(_connect(self))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    def found(self, wrong: str) -> None:
        self.wrong.append(wrong)
        self.warm.set()
        self.over.set()

    def not_answered(self, instead: str) -> None:
        self.unanswered.append(instead)
        if len(self.unanswered) >= _MOST_UNANSWERED:
            self.warm.set()
            self.over.set()

    def done(self) -> None:
        self.checked += 1
        if self.checked >= self.early:
            self.warm.set()
        if self.checked >= self.total:
            self.over.set()


class Connection(asyncio.Protocol):
    """One connection of the crowd; opens another in its place when it ends."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._expected: deque[Expected] = deque()
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        self._crowd.lost += len(self._expected)
        if not self._crowd.over.is_set():
            self._crowd.again()

    def data_received(self, data: bytes) -> None:
        self._data += data
        while self._expected:
            reply = _whole(self._data)
            if reply is None:
                return
            head, body, size = reply
            self._data = self._data[size:]
            if not self._check(self._expected.popleft(), head, body):
                return
        if self._data:
            self._crowd.found(f"a reply to nobody: {self._data[:200]!r}")
        elif not self._crowd.over.is_set():
            self._ask()
        else:
            self._transport.close()

    def _ask(self) -> None:
        crowd, chance = self._crowd, self._crowd.random
        requests = b"".join(self._request() for _ in range(max(1, chance.randint(-_AHEAD, _AHEAD))))
        if chance.random() < 0.02:
            # Hang up: in the middle of a request, or right behind the last.
            crowd.hung_up += 1
            self._transport.write(requests[: chance.randint(1, len(requests))])
            asyncio.get_running_loop().call_later(chance.random() / 200, self._transport.abort)
            return
        self._transport.write(requests)
        if chance.random() < 0.02:
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(chance.random() / 50, self._go_on)

    def _go_on(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _request(self) -> bytes:
        crowd, chance = self._crowd, self._crowd.random
        person = chance.choice(crowd.people)
        cut = chance.random() < 0.002
        crowd.broken_off += cut
        kind = b"cut" if cut else chance.choice(_KINDS)
        path = b"/%b/%x" % (kind, chance.getrandbits(48))
        body = b"%x" % chance.getrandbits(64) if kind == b"post" else b""
        account, cookies, seen, keeps = person.account, [person.session], b"-", True
        fate = chance.random()
        if fate < 0.03:
            # A password user: nobody vouches for him, and his cookie is his own business.
            account, seen, keeps = b"-", b"bare%x" % chance.getrandbits(48), False
            cookies = [b"SONARSESSID=" + seen]
        elif fate < 0.06 and (other := chance.choice(crowd.people)).sealed and other is not person:
            # Somebody else's cookie opens nothing.
            crowd.stolen += 1
            cookies.append(other.sealed)
        elif person.sealed:
            cookies.append(person.sealed)
            seen = person.account + b"."
        self._expected.append(Expected(person, path, account, seen, body, keeps, cut))
        method, length = b"GET", b""
        if kind == b"post":
            method, length = b"POST", b"Content-Length: %d\r\n" % len(body)
        return b"%b %b HTTP/1.1\r\nHost: h\r\nCookie: %b\r\n%b\r\n%b" % (
            method, path, b"; ".join(cookies), length, body,
        )  # fmt: skip

    def _check(self, expected: Expected, head: bytes, body: bytes) -> bool:
        """Whether the connection goes on."""
        if b" 503 " in head[:20]:
            self._crowd.not_answered(f"{expected} got {head!r}")
            return self._end()
        if expected.cut:
            # Upstream broke off: a page of the gateway's own, if anything.
            if b" 502 " not in head[:20]:
                self._crowd.found(f"half a reply told as whole: {head!r}")
            return self._end()
        told = body.removesuffix(BIG)
        said, set_cookie = _TOLD.search(head), _SET_COOKIE.search(head)
        words = told.split(b" ")
        if (
            said is None
            or said[1] != told
            or len(words) != 5
            or words[0] != expected.account
            or words[1] != expected.account
            or not _seen(words[2], expected.cookie)
            or words[3] != expected.path
            or words[4] != expected.body
            or (set_cookie and set_cookie[1].startswith(_SEALED) is not expected.keeps)
        ):
            self._crowd.found(f"{expected} got {head!r} {told[:500]!r}")
            return self._end()
        if expected.keeps and set_cookie:
            expected.person.sealed = set_cookie[1]
        expected.person.answered += 1
        self._crowd.done()
        return True

    def _end(self) -> bool:
        self._transport.abort()
        return False


def _seen(cookie: bytes, expected: bytes) -> bool:
    return cookie.startswith(expected) if expected.endswith(b".") else cookie == expected


def _whole(data: bytes) -> tuple[bytes, bytes, int] | None:
    """Head, body and size of the first reply in `data`, once all of it is there."""
    at = data.find(b"\r\n\r\n")
    if at < 0:
        return None
    head, start = data[:at], at + 4
    found = _LENGTH.search(head)
    if found is not None:
        end = start + int(found[1])
        return (head, data[start:end], end) if len(data) >= end else None
    if b"\r\nTransfer-Encoding: chunked" not in head:
        return head, b"", start
    end = data.find(b"\r\n0\r\n\r\n", start)
    if end < 0:
        return None
    body = b""
    while (line := data.index(b"\r\n", start)) < end + 2:
        size = int(data[start:line], 16)
        body += data[line + 2 : line + 2 + size]
        start = line + 4 + size
    return head, body, end + 7


async def _connect(crowd: Crowd) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: Connection(crowd), "127.0.0.1", crowd.port)


async def ask_all(crowd: Crowd, connections: int) -> None:
    """Ask until `total` replies were looked at, or one was wrong."""
    for _ in range(connections):
        await _connect(crowd)
    await crowd.over.wait()
