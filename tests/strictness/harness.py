"""The corpus over real sockets: a browser that says anything, an upstream that keeps every byte."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.edge.world import PATIENCE, Call
from tests.session.samples import until
from tests.strictness.cases import Case
from tests.strictness.strict import NotStrict, Request, Unfinished, read_request

_FENCE = b"GET /fence HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_OK_TO_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
# The lines that the gateway writes itself, right after Host; the request id is never the same.
_OURS = re.compile(
    rb"(Host: ([^\r]*)\r\n)((?:X-Forwarded-For: 127\.0\.0\.1\r\n|X-Forwarded-Proto: http\r\n|"
    rb"X-Forwarded-Host: \2\r\n|X-Request-ID: [0-9a-f]{16}-[0-9a-f]+\r\n){4})"
)


class Recorder:
    """Plays upstream: answers each request that strict.py can read, and closes on anything else.

    `data`: every byte, in order; `requests`: what they meant; `odd`: what was not strict.
    """

    def __init__(self) -> None:
        self.data = bytearray()
        self.requests: list[Request] = []
        self.odd: list[str] = []

    async def script(self, call: Call) -> None:
        waiting = b""
        while data := await call.reader.read(65536):
            self.data += data
            call.seen += data
            waiting += data
            while waiting:
                try:
                    request, waiting = read_request(waiting)
                except Unfinished:
                    break
                except NotStrict as doubt:
                    self.odd.append(str(doubt))
                    return
                self.requests.append(request)
                await call.say(_OK_TO_HEAD if request.method == b"HEAD" else _OK)


@dataclass(frozen=True)
class Outcome:
    """What came of a case. `closed`: the server closed, not we. `whole`: requests that upstream
    could read to their end; `odd`: what it could not read."""

    statuses: tuple[int, ...]
    replies: bytes
    closed: bool
    upstream: bytes
    whole: tuple[Request, ...]
    odd: tuple[str, ...]

    @property
    def refused(self) -> bool:
        return bool(self.statuses) and self.statuses[-1] >= 400


async def outcome_of(port: int, case: Case, recorder: Recorder, *, begun: bool = True) -> Outcome:
    """One case on a connection of its own, then a plain request on another: what upstream was to
    get of the case, it has got by then. `begun`: whether a request that never ends is seen by
    upstream all the same, as far as it came."""
    start, first, odd = len(recorder.data), len(recorder.requests), len(recorder.odd)

    def come() -> bool:
        return not begun or plain(bytes(recorder.data[start:])) == case.upstream

    wanted = case.replies + case.behind_is_served
    replies, closed = await converse(port, case, wanted, come)
    upto, read, doubts = len(recorder.data), len(recorder.requests), len(recorder.odd)
    if not case.forwarded:
        # An incomplete request may still be on its way to upstream.
        fence, _ = await _exchange(port, _FENCE, 1)
        assert statuses_of(fence) == [200], fence
        upto = recorder.data.index(b"GET /fence ", upto)
        read, doubts = len(recorder.requests) - 1, len(recorder.odd)
    return Outcome(
        tuple(statuses_of(replies)),
        replies,
        closed,
        bytes(recorder.data[start:upto]),
        tuple(recorder.requests[first:read]),
        tuple(recorder.odd[odd:doubts]),
    )


async def converse(
    port: int, case: Case, wanted: int, come: Callable[[], bool]
) -> tuple[bytes, bool]:
    """Send a case; all that comes back, and whether the server closed by itself."""
    if case.must != "silence":
        return await _exchange(port, case.stream, wanted)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(case.stream)
    # Part of it may go to upstream before the rest fails to come.
    await until(come)
    writer.write_eof()
    async with asyncio.timeout(PATIENCE):
        data = await reader.read(-1)
    writer.close()
    return data, True


async def _exchange(port: int, stream: bytes, wanted: int) -> tuple[bytes, bool]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = b""
    try:
        writer.write(stream)
        async with asyncio.timeout(PATIENCE):
            while more := await reader.read(65536):
                data += more
                if len(statuses_of(data)) >= wanted and b"onnection: close\r\n" not in data:
                    # Kept alive: nothing more is to come, and nothing does.
                    writer.write_eof()
                    rest = await reader.read(-1)
                    return data + rest, False
    except TimeoutError:
        return data, False
    except ConnectionError:
        pass
    finally:
        writer.transport.abort()
    return data, True


def statuses_of(data: bytes) -> list[int]:
    """The statuses of the final replies in `data`, whole ones only."""
    statuses = []
    while data:
        head, end, data = data.partition(b"\r\n\r\n")
        found = re.match(rb"HTTP/1\.[01] ([0-9]{3})", head)
        if not end or found is None:
            break
        status = int(found[1])
        length = re.search(rb"\r\ncontent-length: ([0-9]+)", head.lower())
        size = int(length[1]) if length else 0 if status < 200 else len(data)
        if len(data) < size:
            break
        data = data[size:]
        if status >= 200:
            statuses.append(status)
    return statuses


def plain(upstream: bytes) -> bytes:
    """What upstream got, with `~` for the lines of the gateway's own, each of which is there."""
    return _OURS.sub(_shortened, upstream)


def _shortened(found: re.Match[bytes]) -> bytes:
    names = {line.partition(b":")[0] for line in found[3].splitlines()}
    return found[1] + b"~" if len(names) == 4 else found[0]
