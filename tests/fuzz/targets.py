"""What is fuzzed, each with what must hold whatever the bytes are. A failed assertion is a finding.

requests   a whole connection: heads, bodies, chunks, pipelines
chunks     the body of one request, behind a head that says `chunked`
cookies    one Cookie value
paths      one request target
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from gateway.config import config_from
from gateway.edge.cookies import read_cookies
from gateway.edge.events import END, Malformed
from gateway.edge.field_reader import FieldReader
from gateway.edge.head import read_head
from gateway.edge.inbound import Inbound, RawHead
from gateway.edge.names import fold
from gateway.edge.paths import canonical_path
from gateway.edge.peer import Peer
from gateway.edge.request_reader import RequestReader
from gateway.edge.rules import Rules
from gateway.edge.upstream_head import portal_head, upstream_head
from tests.edge.samples import values
from tests.strictness.strict import NotStrict, Request, Unfinished, read_request

RULES = Rules.of(
    config_from(
        {
            "upstream": {"url": "http://sonar.internal:8081"},
            "directory": {"kind": "file", "path": "accounts.yaml"},
        },
        Path("/nowhere"),
    )
)
_PEER = Peer("192.0.2.1", trusted=False)
_CHUNKED = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
# Written by the gateway itself; whatever else begins like this came from a client.
_OURS = frozenset(("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id"))

Message = tuple[RawHead, bytes, bool]
"""A head, its body, and whether the body is complete."""


def requests(data: bytes) -> None:
    """However it is split, it means the same; what is forwarded means the same to strict.py."""
    whole, end = _messages([data])
    places = sorted({0, len(data), *(byte * len(data) // 256 for byte in data[:6])})
    split, split_end = _messages([data[a:b] for a, b in pairwise(places)])
    assert end == split_end, (end, split_end)
    assert _shown(whole) == _shown(split), (data, places)
    rest: bytes | None = data
    for raw, body, complete in whole:
        inbound = read_head(raw, _PEER, "http", "id-0123456789", RULES)
        if not isinstance(inbound, Inbound):
            return  # refused, and the connection closed
        if complete:
            forwarded = _forwarded(inbound, body)
            rest = None if rest is None else _same_to_strict(rest, forwarded)
        if inbound.wants_websocket:
            return


def chunks(data: bytes) -> None:
    """What our reader takes apart, strict.py takes apart in the same way, or not at all."""
    messages, _ = _messages([_CHUNKED + data])
    _, body, complete = messages[0]
    try:
        strict, _ = read_request(_CHUNKED + data)
    except (NotStrict, Unfinished):
        return
    assert complete, (data, strict)
    assert body == strict.body, (body, strict.body)


def cookies(data: bytes) -> None:
    """No pair of ours goes to Sonar, nothing breaks out of the header, the rest is all there."""
    if any(byte in data for byte in b"\r\n\0"):
        return  # never in a value that llhttp lets through
    read = read_cookies(data, RULES.cookies)
    upstream = read.upstream(None)
    _no_cookie_of_ours(upstream)
    assert not any(byte in upstream for byte in b"\r\n\0")
    again = read_cookies(upstream, RULES.cookies)
    assert again.session is None
    assert again.upstream(None) == upstream
    sealed = sum(cookie.sealed for cookie in read.legacy)
    assert len(again.pairs) == len(read.pairs) - sealed, (read, again)


def paths(data: bytes) -> None:
    """One spelling, in which no decoder finds a dot segment, and which has no line end in it."""
    raw = data.decode("latin-1")
    path = canonical_path(raw)
    if path is None:
        return
    assert canonical_path(path) == path, (raw, path)
    assert path.isascii()
    assert path.isprintable()
    assert not any(character in path for character in "#?\\ ")
    for text in (path, _decoded(path), _decoded(_decoded(path))):
        segments = text.replace("\\", "/").split("/")
        assert not {".", ".."} & {segment.partition(";")[0] for segment in segments}, (raw, text)
        assert text.count("/") == path.count("/"), (raw, text)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "requests": requests,
    "chunks": chunks,
    "cookies": cookies,
    "paths": paths,
}


def _messages(pieces: list[bytes]) -> tuple[list[Message], object]:
    """The requests that our reader finds, and how it ended: a status, or nothing wrong."""
    reader = RequestReader(FieldReader(RULES.fields._names, RULES.cookies, RULES.fields.limits))
    messages: list[Message] = []
    for piece in pieces:
        waiting = piece
        while waiting:
            reader.rest = b""
            for event in reader.feed(waiting):
                if isinstance(event, Malformed):
                    return messages, event.status
                if isinstance(event, RawHead):
                    messages.append((event, b"", False))
                else:
                    raw, body, _ = messages[-1]
                    done = event is END
                    messages[-1] = (raw, body if done else body + bytes(event), done)  # type: ignore[arg-type]
            waiting = reader.rest
    return messages, None


def _shown(messages: list[Message]) -> list[object]:
    """Messages as values that compare."""
    return [
        (raw.method, raw.target, raw.minor, values(raw.fields), body, complete)
        for raw, body, complete in messages
    ]


def _forwarded(inbound: Inbound, body: bytes) -> Request:
    """What Sonar would read, checked for what no request of ours may have in it; the portal, which
    gets every cookie, too."""
    _sent(portal_head(inbound), inbound, body)
    request = _sent(upstream_head(inbound, None, 0.0, whole_page=False), inbound, body)
    for value in request.values(b"cookie"):
        _no_cookie_of_ours(value)
    if inbound.path != "*":
        assert canonical_path(inbound.path) == inbound.path
    return request


def _sent(head: bytes, inbound: Inbound, body: bytes) -> Request:
    chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    request, rest = read_request(
        head + (chunk + b"0\r\n\r\n" if inbound.fields.framing.chunked else body)
    )
    assert rest == b"", rest
    assert request.body == body
    assert request.method == inbound.method.encode()
    assert request.target == f"{inbound.path}{inbound.query}".encode()
    assert request.values(b"host") == [inbound.host.encode()]
    names = [fold(name.decode("latin-1")) for name, _ in request.fields]
    assert not any(name.startswith("x-sonar-") for name in names), names
    said = [
        name
        for name in names
        if name == "x-forwarded" or name.startswith("x-forwarded-") or name in _OURS
    ]
    assert sorted(said) == sorted(_OURS), names
    return request


def _same_to_strict(data: bytes, forwarded: Request) -> bytes | None:
    """Whether strict.py reads the beginning of `data` as what was forwarded; what follows it, or
    `None` when it does not say.

    It does not read everything that is forwarded: a host told twice in the same words, empty lines
    in front, and extensions without a name come out in one spelling."""
    while data.startswith(b"\r\n"):
        data = data[2:]
    try:
        came, rest = read_request(data)
    except NotStrict:
        absolute, extensions = b"://" in data.partition(b"\r\n")[0], b";" in data
        if absolute or extensions or not forwarded.values(b"host"):
            return None
        raise
    assert came.method == forwarded.method
    assert came.body == forwarded.body, (came, forwarded)
    path, question, query = came.target.partition(b"?")
    spelled = path if path == b"*" else (canonical_path(path.decode()) or "").encode()
    assert spelled + question + query == forwarded.target, (came, forwarded)
    if came.values(b"host"):
        assert came.values(b"host") == forwarded.values(b"host")
    return rest


def _no_cookie_of_ours(value: bytes) -> None:
    for pair in value.split(b";"):
        name = pair.partition(b"=")[0].strip(b" \t")
        assert name != RULES.cookies.session, value
        assert not name.startswith(RULES.cookies.transaction_prefix), value


def _decoded(text: str) -> str:
    """Once decoded, as a careless server would."""
    pieces = text.split("%")
    out = pieces[0]
    for piece in pieces[1:]:
        out += chr(int(piece[:2], 16)) + piece[2:] if _is_hex(piece[:2]) else "%" + piece
    return out


def _is_hex(digits: str) -> bool:
    return len(digits) == 2 and all(digit in "0123456789abcdefABCDEF" for digit in digits)
