"""One reply of upstream on its way to the browser, event by event."""

import pytest

from gateway.edge.answer import Answer
from gateway.edge.events import END, Malformed, ReplyEvent
from gateway.edge.headers import RawReply
from gateway.reasons import Reason
from tests.edge.samples import RULES, headers, inbound


def answer(*lines: str, **settings: object) -> Answer:
    return Answer(inbound("/", *lines, **settings), RULES, None, None, b"")


def raw(*lines: str, status: int = 200, keep_alive: bool = True) -> RawReply:
    return RawReply(status, b"OK", headers(*lines), keep_alive)


LENGTH = raw("Content-Length: 5")


@pytest.mark.parametrize(
    ("events", "out", "done", "reusable"),
    [
        ([LENGTH, b"hello", END], b"hello", True, True),
        ([LENGTH, b"hel"], b"hel", False, True),
        ([raw("Content-Length: 5", keep_alive=False), b"hello", END], b"hello", True, False),
        # what follows the end does not belong to this request
        ([LENGTH, b"hello", END, LENGTH], b"hello", True, False),
        ([LENGTH, b"hello", END, b"x"], b"hello", True, False),
        ([LENGTH, b"hello", END, Malformed(400, Reason.REQUEST_MALFORMED, "x")],
         b"hello", True, False),
        ([raw(), b"hello", END], b"5\r\nhello\r\n0\r\n\r\n", True, True),
        ([raw(status=204), END], b"", True, True),
        ([raw(status=100), END, LENGTH, b"hello", END], b"hello", True, True),
    ],
)  # fmt: skip
def test_events(events: list[ReplyEvent], out: bytes, done: bool, reusable: bool) -> None:
    whole = answer()
    given = whole.feed(events)
    assert given.rpartition(b"\r\n\r\n")[2] == out or given.endswith(b"\r\n\r\n" + out)
    assert (whole.done, whole.reusable) == (done, reusable)
    piecewise = answer()
    assert b"".join(piecewise.feed([event]) for event in events) == given


def test_bytes_are_counted_without_framing() -> None:
    made = answer()
    made.feed([raw(), b"hello", b" world", END])
    assert (made.sent, made.status) == (11, 200)


def test_a_failure_before_the_head_can_still_be_told() -> None:
    made = answer()
    assert made.feed([Malformed(400, Reason.REQUEST_MALFORMED, "x")]) == b""
    assert made.failed is not None
    assert (made.failed.status, made.failed.reason) == (502, Reason.UPSTREAM_MALFORMED)
    assert not made.begun


def test_a_failure_after_it_completes_nothing() -> None:
    made = answer()
    out = made.feed([raw(), b"hello", Malformed(400, Reason.REQUEST_MALFORMED, "x")])
    assert out.endswith(b"5\r\nhello\r\n")
    assert made.begun
    assert made.failed is not None
    assert not made.done


def test_switching_protocols() -> None:
    asks, does = (
        ("Connection: Upgrade", "Upgrade: websocket"),
        raw("Upgrade: WebSocket", status=101),
    )
    wanted = answer(*asks)
    assert wanted.feed([does, END]).startswith(b"HTTP/1.1 101 OK\r\n")
    assert wanted.upgraded
    for given, asked in (
        (does, ()),
        (raw(status=101), asks),
        (raw("Upgrade: h2c", status=101), asks),
        (raw("Upgrade: websocket", "Content-Length: 1", status=101), asks),
    ):
        refused = answer(*asked)
        assert refused.feed([given, END]) == b""
        assert refused.failed is not None
        assert not refused.upgraded


def test_interim_replies_come_to_an_end() -> None:
    made = answer()
    early = raw("Link: </a>", status=103)
    for _ in range(100):
        assert made.feed([early, END]).startswith(b"HTTP/1.1 103 ")
    assert made.feed([early, END]) == b""
    assert made.failed is not None


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize(("length", "reusable"), [("0", True), ("5", False)])
def test_a_body_that_is_announced_where_there_is_none(
    status: int, length: str, reusable: bool
) -> None:
    """It may come all the same, later, and be read as the next person's reply."""
    made = answer()
    made.feed([raw(f"Content-Length: {length}", status=status), END])
    assert (made.done, made.reusable) == (True, reusable)


@pytest.mark.parametrize(
    ("content_type", "streams"),
    [("text/event-stream", True), ("text/event-stream; charset=utf-8", True), ("text/html", False)],
)
def test_streams_of_events(content_type: str, streams: bool) -> None:
    made = answer()
    made.feed([raw(f"Content-Type: {content_type}")])
    assert made.streams_events is streams


def test_http_1_0_learns_the_end_from_the_close() -> None:
    made = answer("Connection: keep-alive", minor=0)
    out = made.feed([raw(), b"hello"]) + made.ended_by_close()
    assert out == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"
    assert made.done
    assert not made.keep_alive


def test_chunks_that_come_together_go_on_as_one() -> None:
    made = answer()
    assert made.feed([raw(), *[b"x"] * 1000]).endswith(b"\r\n\r\n3e8\r\n" + b"x" * 1000 + b"\r\n")
    assert made.feed([b"y", END]) == b"1\r\ny\r\n0\r\n\r\n"
