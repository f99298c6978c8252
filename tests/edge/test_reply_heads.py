"""A reply that is recalled is the reply that would have been read; what must not be, is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.answer import Answer
from gateway.edge.events import Known, ReplyEvent
from gateway.edge.reply_heads import ReplyHeads
from gateway.edge.reply_reader import ReplyReader
from tests.edge.samples import RULES, inbound

PLAIN = (
    b"HTTP/1.1 200 OK\r\nDate: now\r\nX-A: b\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 5\r\n\r\n"
)


def reading(heads: ReplyHeads, data: bytes, method: str = "GET") -> list[ReplyEvent]:
    reader = ReplyReader(heads)
    reader.expect(method)
    return reader.feed(data)


def came_twice(data: bytes) -> ReplyHeads:
    heads = ReplyHeads(RULES)
    for _ in range(2):
        assert not isinstance(reading(heads, data)[0], Known)
    return heads


def recalled(data: bytes, again: bytes | None = None) -> bool:
    """Whether `again` (else `data` itself) is recalled after `data` came twice."""
    heads = came_twice(data)
    return heads.recall(data if again is None else again) is not None


def given_out(events: list[ReplyEvent], **settings: object) -> tuple[bytes, bool, int, int, bool]:
    answer = Answer(inbound("/", **settings), RULES, None, None, b"")
    out = answer.feed(events)
    return out, answer.done, answer.status, answer.sent, answer.reusable


def test_the_same_comes_out_as_when_it_is_read() -> None:
    heads = came_twice(PLAIN + b"hello")
    again = reading(heads, PLAIN + b"world")
    assert isinstance(again[0], Known)
    for settings in ({}, {"minor": 0}):
        told = given_out(reading(ReplyHeads(RULES), PLAIN + b"world"), **settings)
        assert given_out(again, **settings) == told
        assert told[0].endswith(b"world")


@given(
    st.lists(
        st.sampled_from(
            [
                b"X-Y: z",
                b"Vary: Accept",
                b"Set-Cookie: a=b",
                b"Connection: keep-alive",
                b"Connection: close",
                b"Location: /login",
                b"Content-Length: 3",
                b"Content-Encoding: gzip",
            ]
        ),
        max_size=4,
    ),
    st.sampled_from([b"200 OK", b"204 No Content", b"304 Not Modified", b"404 No", b"500 Oh"]),
    st.sampled_from([b"", b"abc", b"abcd"]),
)
def test_whatever_came_before_the_same_reply_reads_like_the_first(
    lines: list[bytes], status: bytes, body: bytes
) -> None:
    data = b"\r\n".join([b"HTTP/1.1 " + status, *lines, b"", body])
    heads = ReplyHeads(RULES)
    first = given_out(reading(heads, data))
    assert all(given_out(reading(heads, data)) == first for _ in range(2))


@pytest.mark.parametrize(
    "data",
    [
        PLAIN.replace(b"X-A: b", b"Set-Cookie: SONARSESSID=secret") + b"hello",
        PLAIN.replace(b"X-A: b", b"set_cookie: SONARSESSID=secret") + b"hello",
        PLAIN.replace(b"X-A: b", b"Location: /login") + b"hello",
        PLAIN.replace(b"200 OK", b"302 Found") + b"hello",
        PLAIN.replace(b"X-A: b", b"Connection: close") + b"hello",
        PLAIN.replace(b"X-A: b", b"Connection: X-B") + b"hello",
        PLAIN.replace(b"X-A: b", b"Connection: keep-alive, X-B") + b"hello",
        PLAIN.replace(b"X-A: b", b"Connection: keep-alive\r\nconnection: X-B") + b"hello",
        PLAIN.replace(b"200 OK", b"204 No Content").replace(b"Length: 5", b"Length: 0"),
        PLAIN.replace(b"Content-Length: 5", b"Transfer-Encoding: chunked") + b"1\r\na\r\n0\r\n\r\n",
        PLAIN.replace(b"X-A: b", b"X-A: " + b"b" * 4096) + b"hello",
        PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0") + b"hello",
        PLAIN + b"hel",
        b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN + b"hello",
    ],
)
def test_not_remembered(data: bytes) -> None:
    assert not recalled(data)


@pytest.mark.parametrize(
    "again",
    [
        PLAIN + b"hell",
        PLAIN + b"hello!",
        PLAIN + b"hello" + PLAIN + b"hello",
        PLAIN,
        PLAIN.replace(b"now", b"nov") + b"hello",
        PLAIN.replace(b"X-A", b"x-a") + b"hello",
        b" " + PLAIN + b"hello",
        b"",
        b"hello",
    ],
)
def test_only_exactly_one_whole_reply_is_recalled(again: bytes) -> None:
    assert recalled(PLAIN + b"hello")
    assert not recalled(PLAIN + b"hello", again)


def test_a_reply_that_says_the_connection_stays_is_recalled_without_saying_so() -> None:
    data = PLAIN.replace(b"X-A: b", b"Connection: Keep-Alive") + b"hello"
    read = given_out(reading(ReplyHeads(RULES), data))
    heads = came_twice(data)
    recalled_events = reading(heads, data)
    assert isinstance(recalled_events[0], Known)
    assert given_out(recalled_events) == read
    assert b"Keep-Alive" not in recalled_events[0].head


def test_a_reply_to_head_and_one_in_pieces_are_read() -> None:
    heads = came_twice(PLAIN + b"hello")
    assert not isinstance(reading(heads, PLAIN, "HEAD")[0], Known)
    reader = ReplyReader(heads)
    reader.expect("GET")
    head = reader.feed(PLAIN + b"he")
    assert not isinstance(head[0], Known)
    # Inside a body, what looks like a reply is a body.
    assert not isinstance(reader.feed(b"llo")[0], Known)
    reader.expect("GET")
    assert isinstance(reader.feed(PLAIN + b"hello")[0], Known)


def test_a_body_that_looks_like_a_known_reply_is_a_body() -> None:
    heads = came_twice(PLAIN + b"hello")
    inside = PLAIN + b"hello"
    reader = ReplyReader(heads)
    reader.expect("GET")
    reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(inside) + 1))
    assert reader.feed(inside) == [inside]


def test_memory_is_bounded() -> None:
    heads = ReplyHeads(RULES)
    for number in range(2000):
        for _ in range(2):
            reading(heads, PLAIN.replace(b"now", b"%d" % number) + b"hello")
    assert len(heads._known) == 512


def test_a_head_that_comes_once_is_not_remembered() -> None:
    heads = ReplyHeads(RULES)
    for number in range(100):
        reading(heads, PLAIN.replace(b"now", b"%d" % number) + b"hello")
    assert not heads._known
