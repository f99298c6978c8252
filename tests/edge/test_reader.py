"""Bytes to events: the same however the stream is split, and nothing ambiguous."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import Limits
from gateway.edge.events import END, Malformed
from gateway.edge.field_reader import FieldReader
from gateway.edge.head import read_line
from gateway.edge.headers import RawReply
from gateway.edge.inbound import Fields, RawHead, Refusal
from gateway.edge.reply_heads import ReplyHeads
from gateway.edge.reply_reader import ReplyReader
from gateway.edge.request_reader import RequestReader
from tests.edge.samples import RULES, shown


def request_reader(limits: Limits | None = None) -> RequestReader:
    """A reader that remembers nothing yet."""
    return RequestReader(FieldReader(RULES.fields._names, RULES.cookies, limits or Limits()))


def events_of(reader: RequestReader | ReplyReader, pieces: list[bytes]) -> list[object]:
    """All events; adjacent body joined, and nothing fed after `Malformed`."""
    events: list[object] = []
    for piece in pieces:
        for event in reader.feed(piece):
            if isinstance(event, bytes) and events and isinstance(events[-1], bytes):
                events[-1] += event
            else:
                events.append(event)
        if events and isinstance(events[-1], Malformed):
            break
    return events


def read(data: bytes) -> list[object]:
    return events_of(request_reader(), [data])


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


HOST = b"Host: sonar.example\r\n"
GET = b"GET /a?b HTTP/1.1\r\n" + HOST + b"Cookie: a=b\r\nX-Empty:\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"POST /a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: x\r\n\r\n"
)
BAD_CHUNK = CHUNKED[:-30] + b"zz\r\n"
STREAMS = [
    GET,
    POST,
    CHUNKED,
    GET + GET,
    GET + POST + CHUNKED + GET,
    POST + b"\r\n" + GET,
    b"\r\n" + GET,
    GET + b"\r\n\r\n",
    GET + b"GARBAGE\r\n\r\n",
    POST + b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    BAD_CHUNK,
    b"GET / HTTP/1.1\nHost: a\n\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/2.0\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\n\r\n\r\n\r\n" + GET,
    POST.replace(b"\r\n\r\nhello", b"0\r\n\r\n" + b"\r\n" * 25) + GET,
    CHUNKED.replace(b"hello", b"\r\n\r\nG") + CHUNKED + GET,
    b"GET / RTSP/1.0\r\n" + HOST + b"\r\n",
    GET + b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n",
    POST.replace(b"\r\n\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 1) + GET,
    GET.replace(b"\r\n\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 1),
]


@pytest.mark.parametrize("stream", STREAMS)
@given(cuts=st.lists(st.integers(0, 2**16), max_size=8))
def test_the_same_events_however_it_is_split(stream: bytes, cuts: list[int]) -> None:
    whole = shown(read(stream))
    assert shown(events_of(request_reader(), pieces_of(stream, cuts))) == whole
    reader = request_reader()
    assert shown(events_of(reader, [stream[i : i + 1] for i in range(len(stream))])) == whole


@given(data=st.binary(max_size=200), cuts=st.lists(st.integers(0, 2**16), max_size=5))
def test_any_bytes_give_events_and_no_crash(data: bytes, cuts: list[int]) -> None:
    assert shown(events_of(request_reader(), pieces_of(data, cuts))) == shown(read(data))
    stream = GET[:-2] + data
    assert shown(events_of(request_reader(), pieces_of(stream, cuts))) == shown(read(stream))
    events_of(ReplyReader(ReplyHeads(RULES)), pieces_of(data, cuts))


@given(st.lists(st.sampled_from([GET, GET.replace(b"a=b", b"a=c"), POST]), max_size=6))
def test_remembered_heads_read_as_at_first(requests: list[bytes]) -> None:
    """One request after the other on a connection: two are parsed, the third is recalled."""
    reader = request_reader()
    for request in requests:
        assert shown(list(reader.feed(request))) == shown(read(request))


def test_a_head_is_recalled() -> None:
    reader = request_reader()
    reader.feed(GET)
    (first, _), (second, end) = reader.feed(GET), reader.feed(GET.replace(b"/a?b", b"/other"))
    assert isinstance(first, RawHead)
    assert isinstance(second, RawHead)
    assert (second.method, second.target, second.minor) == ("GET", b"/other", 1)
    assert second.fields is first.fields
    assert end is END


@pytest.mark.parametrize(
    "line",
    [b"GET  / HTTP/1.1", b"GET / HTTP/1.1 ", b"GET / HTTP/1.2", b"TRACE / HTTP/1.1", b"GET /",
     b"GET / RTSP/1.0", b"GET http://a/ HTTP/1.1", b"get / HTTP/1.1", b"GET /\x80 HTTP/1.1", b""],
)  # fmt: skip
def test_a_recalled_block_takes_no_odd_request_line(line: bytes) -> None:
    """Whatever the first line is, remembering changes nothing."""
    reader = request_reader()
    reader.feed(GET)
    reader.feed(GET)
    assert len(reader._field_reader._blocks)
    block = GET.partition(b"\r\n")[2]
    data = line + b"\r\n" + block
    assert shown(list(reader.feed(data))) == shown(read(data))


def test_what_was_sent_ahead_behind_an_upgrade_is_never_lost() -> None:
    """llhttp stops behind an upgrade that nobody grants; what follows is the next request. Were it
    dropped the second time, a proxy would take the reply to the one after for the reply to it."""
    data = GET[:-2] + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + GET
    fields = request_reader()._field_reader
    for _ in range(3):
        reader = RequestReader(fields)
        assert len(reader.feed(data)) == 2
        assert reader.rest == GET


UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


@pytest.mark.parametrize("request_bytes", [POST, CHUNKED])
@given(cuts=st.lists(st.integers(0, 2**16), max_size=8))
def test_the_body_of_a_request_to_upgrade_is_not_the_next_request(
    request_bytes: bytes, cuts: list[int]
) -> None:
    """httptools would end the request with its head."""
    stream = request_bytes.replace(b"\r\n\r\n", b"\r\n" + UPGRADE, 1) + GET
    events = events_of(request_reader(), pieces_of(stream, cuts))
    kinds = [type(event) for event in events]
    assert kinds == [RawHead, bytes, type(END), RawHead, type(END)]
    assert shown(events[1:]) == shown(read(request_bytes + GET)[1:])


@pytest.mark.parametrize(
    "line",
    [
        b"GET / RTSP/1.0",
        b"GET / ICE/1.0",
        b"GET  / HTTP/1.1",
        b"GET /  HTTP/1.1",
        b"GET / HTTP/1.1 ",
        b"GET /",
        b" GET / HTTP/1.1",
        b"GET\t/ HTTP/1.1",
        b"\nGET / HTTP/1.1",
        b"\r\r\nGET / HTTP/1.1",
    ],
)
@pytest.mark.parametrize("before", [b"", GET, POST, CHUNKED])
def test_no_request_line_but_a_plain_one(before: bytes, line: bytes) -> None:
    """Also right behind another request, where llhttp would go on by itself."""
    stream = before + line + b"\r\n" + HOST + b"\r\n"
    (*_, last) = read(stream)
    assert isinstance(last, Malformed)
    assert last.status == 400
    assert shown(events_of(request_reader(), pieces_of(stream, list(range(len(stream)))))) == shown(
        read(stream)
    )


@pytest.mark.parametrize("again", [b"Host: b\r\n", b"Expect: x\r\n"])
def test_nothing_is_read_behind_a_head_that_is_refused(again: bytes) -> None:
    """Found by fuzzing: its body had no length here, and went to llhttp with the next request."""
    refused = POST.replace(b"\r\n\r\n", b"\r\n" + again + b"\r\n")
    (head,) = read(refused + GET)
    assert isinstance(head, RawHead)
    assert isinstance(head.fields, Refusal)
    assert len(events_of(request_reader(), pieces_of(refused + GET, list(range(200))))) == 1


@pytest.mark.parametrize("again", [b"Host: b\r\n", b"Expect: x\r\n"])
def test_a_refused_head_is_refused_again_without_being_read(again: bytes) -> None:
    """Each is the last of its connection."""
    refused = GET[:-2] + again + b"\r\n"
    fields = request_reader()._field_reader
    RequestReader(fields).feed(refused)
    first, second = RequestReader(fields), RequestReader(fields)
    (read_head, end), (recalled, again_end) = first.feed(refused), second.feed(refused)
    assert isinstance(read_head, RawHead)
    assert isinstance(recalled, RawHead)
    assert isinstance(recalled.fields, Refusal)
    assert recalled.fields is read_head.fields
    assert shown([recalled]) == shown([read_head])
    assert end is again_end is END
    assert second.feed(GET) == first.feed(GET)


def test_empty_lines_cost_next_to_nothing() -> None:
    """They get no reply, so that nothing would slow down who sends them: a megabyte of them, taken
    one at a time, kept everybody waiting for a quarter of a second."""

    def cost(line: bytes) -> float:
        reader = request_reader()
        piece = line * (16_384 // len(line))
        began = time.process_time()
        for _ in range(8):
            reader.feed(piece)
        return time.process_time() - began

    assert cost(b"\r\n") * 5 < cost(b"GET / HTTP/1.1\r\n\r\n")


@given(st.lists(st.integers(0, 20), max_size=5), st.lists(st.integers(0, 2**16), max_size=10))
def test_empty_lines_mean_nothing(empty: list[int], cuts: list[int]) -> None:
    stream = b"".join(b"\r\n" * lines + GET for lines in empty)
    events = events_of(request_reader(), pieces_of(stream, cuts))
    assert shown(events) == shown(read(GET * len(empty)))
    assert not any(isinstance(event, Malformed) for event in events)


def test_what_is_no_request_is_refused_before_its_line_ends() -> None:
    """A TLS hello on a plain port must not wait for a line feed that never comes."""
    (refused,) = read(b"\x16\x03\x01\x02\x00")
    assert isinstance(refused, Malformed)


@pytest.mark.parametrize(
    "request_bytes",
    [POST, CHUNKED, GET + GET, GET[:-4] + b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"],
)
def test_what_is_not_remembered(request_bytes: bytes) -> None:
    reader = request_reader()
    reader.feed(request_bytes)
    reader.feed(request_bytes)
    assert not len(reader._field_reader._blocks)


def test_what_comes_once_is_not_remembered() -> None:
    """Somebody who sends another head each time takes no memory, and pushes nobody's out."""
    reader = request_reader()
    for number in range(100):
        reader.feed(GET.replace(b"a=b", b"a=%d" % number))
    assert not len(reader._field_reader._blocks)


@pytest.mark.parametrize(
    "header",
    [
        b"A: b\nC: d",
        b"A: b\rc",
        b"A: b\r\n c",
        b"A : b",
        b" A: b",
        b"A b",
        b": b",
        b"A\x00: b",
        b"A: b\x00",
        b"A: b\x01",
        b"A: b\x7f",
        b"A(: b",
        b"\xc3\xa9: b",
        b"Content-Length: 1\r\nContent-Length: 1",
        b"Content-Length: 1\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked, gzip",
        b"Content-Length: +1",
        b"Content-Length: 1,1",
        b"Content-Length: 1 1",
        b"Content-Length:",
        b"Content-Length: 99999999999999999999",
    ],
)
def test_malformed_heads(header: bytes) -> None:
    events = read(b"POST / HTTP/1.1\r\n" + HOST + header + b"\r\n\r\n")
    (last,) = [event for event in events if isinstance(event, Malformed)]
    assert last.status == 400


@pytest.mark.parametrize(
    "chunks",
    [
        b"5\nhello\n0\n\n",
        b" 5\r\nhello\r\n0\r\n\r\n",
        b"5 \r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhelloX\r\n0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"fffffffffffffffff\r\n",
        b"5;a\nb\r\nhello\r\n0\r\n\r\n",
        b"5;\x00\r\nhello\r\n0\r\n\r\n",
        b"\r\n",
        b"0\r\nBad : x\r\n\r\n",
        b"0\r\nA: b\n\r\n",
    ],
)
def test_malformed_chunks(chunks: bytes) -> None:
    events = read(b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    assert isinstance(events[-1], Malformed)
    assert events[-1].status == 400


def test_trailers_go_nowhere() -> None:
    events = read(CHUNKED)
    assert events[1:] == [b"hello world", END]
    assert isinstance(events[0], RawHead)
    assert isinstance(events[0].fields, Fields)
    assert b"Trailer" not in events[0].fields.passing_lines


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /" + b"a" * 9000, 414),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + HOST + b"Cookie: " + b"a" * 100_000, 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"Cookie: " + b"a" * 100_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n" * 20_000, 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"n" * 100_000, 431),
    ],
)
@pytest.mark.parametrize("size", [100, 16_384])
def test_too_large(data: bytes, status: int, size: int) -> None:
    events = events_of(request_reader(), [data[i : i + size] for i in range(0, len(data), size)])
    assert isinstance(events[-1], Malformed)
    assert events[-1].status == status


def many(count: int, size: int) -> bytes:
    """`count` header lines of `size` bytes, name and value."""
    return b"".join(b"X-%03d:%b\r\n" % (i, b"a" * (size - 5)) for i in range(count))


SMALL = Limits.model_validate(
    {"request_line": "300B", "header": "1KiB", "headers": "2KiB", "header_count": 10}
)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        # the whole line counts: method, two spaces, version
        (b"GET /" + b"a" * (300 - 14) + b" HTTP/1.1\r\n" + HOST, None),
        (b"GET /" + b"a" * (300 - 13) + b" HTTP/1.1\r\n" + HOST, 414),
        (b"PROPFIND /" + b"a" * (300 - 19) + b" HTTP/1.1\r\n" + HOST, None),
        (b"PROPFIND /" + b"a" * (300 - 18) + b" HTTP/1.1\r\n" + HOST, 414),
        # one header: name and value
        (b"GET / HTTP/1.1\r\n" + HOST + many(1, 1024), None),
        (b"GET / HTTP/1.1\r\n" + HOST + many(1, 1025), 431),
        # all of them, with `: ` and line end; HOST has 17 and 4
        (b"GET / HTTP/1.1\r\n" + HOST + many(2, 1009), None),
        (b"GET / HTTP/1.1\r\n" + HOST + many(2, 1010), 431),
        # a line and headers that are both as long as they may be
        (b"GET /" + b"a" * (300 - 14) + b" HTTP/1.1\r\n" + HOST + many(2, 1009), None),
        (b"GET / HTTP/1.1\r\n" + HOST + many(9, 20), None),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 100, 16_384])
def test_limits_to_the_byte(head: bytes, status: int | None, size: int) -> None:
    data = head + b"\r\n"
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    events = events_of(request_reader(SMALL), pieces)
    if status is None:
        assert isinstance(events[0], RawHead)
        assert isinstance(events[0].fields, Fields)
        assert events[1:] == [END]
    else:
        (malformed,) = events
        assert isinstance(malformed, Malformed)
        assert malformed.status == status


@pytest.mark.parametrize(("size", "status"), [(1024, None), (1025, 431)])
@given(cuts=st.lists(st.integers(0, 2**16), max_size=6))
def test_limits_to_the_byte_in_the_middle_of_a_stream(
    size: int, status: int | None, cuts: list[int]
) -> None:
    """However it is split, and whatever came before in the same piece."""
    stream = POST + b"GET / HTTP/1.1\r\n" + HOST + many(1, size) + b"\r\n"
    last = events_of(request_reader(SMALL), pieces_of(stream, cuts))[-1]
    assert (last.status if isinstance(last, Malformed) else None) == status


def test_remembered_headers_shorten_no_request_line() -> None:
    """A block that is remembered says nothing about the line before it."""
    reader = request_reader(SMALL)
    reader.feed(GET)
    (malformed,) = reader.feed(GET.replace(b"/a?b", b"/" + b"a" * 300))
    assert isinstance(malformed, Malformed)
    assert malformed.status == 414


def test_long_request_lines_are_not_remembered() -> None:
    """However many there are, they take no memory."""
    reader = request_reader()
    reader.feed(GET)
    remembered = read_line.cache_info().currsize
    for number in range(10):
        long = b"/" + b"%d" % number * 3000
        head, end = reader.feed(GET.replace(b"/a?b", long))
        assert isinstance(head, RawHead)
        assert (head.target, end) == (long, END)
    assert read_line.cache_info().currsize == remembered


@pytest.mark.parametrize(
    ("data", "page"),
    [
        (b"GET / HTTP/1.1\r\nAccept: text/html\r\nX" + b"x" * 100_000, True),
        (b"GET / HTTP/1.1\r\nAccept: */*\r\nCookie: " + b"x" * 100_000 + b"\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nCookie: " + b"x" * 100_000 + b"\r\nAccept: */*\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nAccept: application/json\r\nC: d\r\nA : b\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nA : b\r\nAccept: application/json\r\n\r\n", True),
        (b"GET /" + b"x" * 10_000, True),
        (b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\nX: y\r\naccept:*/*\r\nZ", False),
        (b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\nX: y\r\naccept:*/*", True),
        (b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\nAccept: text/html\r\n\r\n", True),
        (b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\n\r\nAccept: text/html\r\n\r\n", False),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nAccept: */*\r\n\r\n", False),
        (b"GARBAGE\r\nAccept: text/html\r\n\r\n", True),
        (b"GARBAGE\r\n\r\n", False),
        (b"G\0 ", True),
    ],
)
def test_how_the_refusal_is_told(data: bytes, page: bool) -> None:
    """By the Accept header, if it came before what was wrong, or together with the line that is
    none. When it has not come: by a page."""
    last = read(data)[-1]
    assert isinstance(last, Malformed)
    assert last.page is page


@pytest.mark.parametrize(
    "endless",
    [b"0\r\n" + b"A: b\r\n" * 20_000, b"0\r\nA: " + b"b" * 100_000, b"5;" + b"x" * 100_000],
)
def test_endless_trailers_and_extensions(endless: bytes) -> None:
    data = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + endless
    events = events_of(request_reader(), [data[i : i + 1000] for i in range(0, len(data), 1000)])
    assert isinstance(events[-1], Malformed)


@pytest.mark.parametrize(
    ("data", "rest"),
    [
        (b"GET / HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
         b"frames"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", GET),
    ],
)  # fmt: skip
def test_what_follows_an_upgrade_is_nobodys_yet(data: bytes, rest: bytes) -> None:
    reader = request_reader()
    events = reader.feed(data + rest)
    assert isinstance(events[0], RawHead)
    assert events[1:] == [END]
    assert reader.rest == rest


def _chunked(body: bytes, sizes: list[int], spelling: str) -> bytes:
    """`body` in chunks of these sizes, then the rest; sizes in hexadecimal of this spelling."""
    out = b""
    while body:
        size = min(sizes.pop() if sizes else len(body), len(body))
        out += f"{size:{spelling}}".encode() + b"\r\n" + body[:size] + b"\r\n"
        body = body[size:]
    return out + b"0\r\n\r\n"


# Bodies that look like what ends a message, or begins one.
BODIES = st.lists(
    st.sampled_from([b"\r\n\r\n", b"0\r\n\r\n", b"\r", b"\n", GET, b"5\r\n", b"\0", b"x" * 40]),
    max_size=5,
).map(b"".join)
SIZES = st.lists(st.integers(1, 20), max_size=6)
SPELLINGS = st.sampled_from(["x", "X", "04x"])
CUTS = st.lists(st.integers(0, 2**16), max_size=10)


@given(st.lists(st.tuples(BODIES, st.none() | SIZES, st.booleans()), max_size=5), SPELLINGS, CUTS)
def test_any_pipeline_is_read_in_one_way(
    wanted: list[tuple[bytes, list[int] | None, bool]], spelling: str, cuts: list[int]
) -> None:
    """Bodies with a length and in chunks, with and without an upgrade that is not granted."""
    stream = b""
    for body, sizes, upgrade in wanted:
        stream += b"POST /a HTTP/1.1\r\n" + HOST
        if upgrade and body:
            stream += b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
        if sizes is None or (upgrade and not body):
            stream += b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        else:
            chunked = _chunked(body, list(sizes), spelling)
            stream += b"Transfer-Encoding: chunked\r\n\r\n" + chunked
    events = events_of(request_reader(), pieces_of(stream, cuts))
    read_bodies, current = [], b""
    for event in events:
        assert not isinstance(event, Malformed), event
        if isinstance(event, bytes):
            current += event
        elif event is END:
            read_bodies.append(current)
            current = b""
    assert read_bodies == [body for body, _, _ in wanted]


# Replies.

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
REPLIES = [
    LENGTH,
    CONTINUE + LENGTH,
    b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + CONTINUE + LENGTH,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
    LENGTH + LENGTH,
    b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx",
    b"HTTP/1.1 99 OK\r\n\r\n",
    b"nonsense",
]


@pytest.mark.parametrize("stream", REPLIES)
@given(cuts=st.lists(st.integers(0, 2**16), max_size=8))
def test_replies_are_the_same_however_they_are_split(stream: bytes, cuts: list[int]) -> None:
    whole = shown(events_of(ReplyReader(ReplyHeads(RULES)), [stream]))
    assert shown(events_of(ReplyReader(ReplyHeads(RULES)), pieces_of(stream, cuts))) == whole


def test_a_reply_to_head_has_no_body() -> None:
    reader = ReplyReader(ReplyHeads(RULES))
    reader.expect("HEAD")
    (head, end) = reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    assert isinstance(head, RawReply)
    assert end is END
    reader.expect("GET")
    assert len(reader.feed(LENGTH)) == 3


@pytest.mark.parametrize("length", [b"0", b"5"])
def test_an_interim_reply_to_head_is_not_its_end(length: bytes) -> None:
    reader = ReplyReader(ReplyHeads(RULES))
    reader.expect("HEAD")
    events = reader.feed(CONTINUE + b"HTTP/1.1 200 OK\r\nContent-Length: " + length + b"\r\n\r\n")
    assert [type(event).__name__ for event in events] == ["RawReply", "End", "RawReply", "End"]


@pytest.mark.parametrize(
    ("head", "method", "until_close"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", "GET", True),
        (b"HTTP/1.0 200 OK\r\n\r\n", "GET", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", "GET", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n", "GET", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", "GET", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "GET", False),
        (b"HTTP/1.1 200 OK\r\n\r\n", "HEAD", False),
        (b"HTTP/1.1 304 OK\r\nConnection: close\r\n\r\n", "GET", False),
    ],
)
def test_what_ends_with_its_connection(head: bytes, method: str, until_close: bool) -> None:
    reader = ReplyReader(ReplyHeads(RULES))
    reader.expect(method)
    reader.feed(head)
    assert reader.until_close is until_close


@pytest.mark.parametrize(
    ("head", "keep_alive"),
    [
        (LENGTH, True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\n\r\n", False),
    ],
)
def test_which_connection_stays(head: bytes, keep_alive: bool) -> None:
    reply = ReplyReader(ReplyHeads(RULES)).feed(head)[0]
    assert isinstance(reply, RawReply)
    assert reply.keep_alive is keep_alive


def test_a_reply_head_without_end_is_bounded() -> None:
    data = b"HTTP/1.1 200 OK\r\nA: " + b"b" * 200_000
    events = events_of(
        ReplyReader(ReplyHeads(RULES)), [data[i : i + 5000] for i in range(0, len(data), 5000)]
    )
    assert isinstance(events[-1], Malformed)


@given(st.lists(st.tuples(BODIES, st.none() | SIZES), max_size=4), SPELLINGS, CUTS)
def test_any_replies_are_read_in_one_way(
    wanted: list[tuple[bytes, list[int] | None]], spelling: str, cuts: list[int]
) -> None:
    """One reply after the other on a connection, as upstream answers one request after the other;
    an interim reply now and then."""
    reader = ReplyReader(ReplyHeads(RULES))
    for body, sizes in wanted:
        stream = CONTINUE if len(body) % 2 else b""
        if sizes is None:
            stream += b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        else:
            chunked = _chunked(body, list(sizes), spelling)
            stream += b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked
        reader.expect("GET")
        events = events_of(reader, pieces_of(stream, cuts))
        assert not any(isinstance(event, Malformed) for event in events)
        assert b"".join(event for event in events if isinstance(event, bytes)) == body
        assert events[-1] is END


@pytest.mark.parametrize("head", [b"Content-Length: 1000005\r\n", b"Connection: close\r\n"])
def test_a_body_whose_end_needs_no_looking_for_is_passed_on_as_it_is(head: bytes) -> None:
    reader = ReplyReader(ReplyHeads(RULES))
    reader.feed(b"HTTP/1.1 200 OK\r\n" + head + b"\r\nhello")
    piece = b"HTTP/1.1 200 OK\r\n\r\n" + bytes(500_000)
    assert reader.feed(piece)[0] is piece
    assert reader.until_close is (b"close" in head)


@pytest.mark.parametrize(
    ("coded", "body"),
    [
        (b"1\r\na\r\n" * 2000, b"a" * 2000),
        (b"1000\r\n%b\r\n" % (b"\r\n\r\n" * 1024), b"\r\n" * 2048),
    ],
)
def test_what_came_together_of_a_body_goes_on_together(coded: bytes, body: bytes) -> None:
    """Each part costs a write of ours: an upload of a byte a chunk would cost a hundred times as
    much as another, and so would one whose content has empty lines."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    next_one = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
    first, *rest = request_reader().feed(head + coded + b"0\r\n\r\n" + next_one)
    second = rest.pop(2)
    assert rest == [body, END, END]
    assert isinstance(first, RawHead)
    assert isinstance(second, RawHead)
    assert (first.target, second.target) == (b"/", b"/next")
