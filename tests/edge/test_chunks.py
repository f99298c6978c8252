"""Bodies in chunks: the same data however it is cut, and one reading of every line between."""

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.edge.chunks import Chunks

_LINES = [b"", b";a", b";a=b", b';a="b c;d"', b';a="\\"";b', b";a=b;c"]

chunked_parts = st.lists(
    st.tuples(st.binary(min_size=1, max_size=40), st.sampled_from(_LINES), st.integers(0, 20)),
    max_size=8,
)


def _read(pieces: list[bytes]) -> tuple[bytes, bytes | None, bool]:
    """The data, what is left for llhttp, and whether it was wrong."""
    chunks = Chunks()
    body = b""
    for at, piece in enumerate(pieces):
        body += chunks.feed(piece)
        if chunks.wrong or chunks.last is not None:
            rest = b"".join(pieces[at + 1 :])
            return body, None if chunks.last is None else chunks.last + rest, chunks.wrong
    return body, None, False


def _cut(data: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({cut % (len(data) + 1) for cut in cuts})
    return [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True) if a < b]


@given(chunked_parts, st.sampled_from([b"", b"A: b\r\n"]), st.lists(st.integers(0, 2**16)))
def test_the_same_data_comes_out_however_it_is_cut(
    parts: list[tuple[bytes, bytes, int]], trailer: bytes, cuts: list[int]
) -> None:
    end = b"00;x\r\n" + trailer + b"\r\nGET / HTTP/1.1\r\n"
    sent = b"".join(
        b"0" * zeros + b"%x" % len(data) + line + b"\r\n" + data + b"\r\n"
        for data, line, zeros in parts
    )
    body = b"".join(data for data, _, _ in parts)
    assert _read(_cut(sent + end, cuts)) == (body, end, False)
    assert _read([bytes([byte]) for byte in sent + end]) == (body, end, False)


@pytest.mark.parametrize(
    "line",
    [b"", b"\r\n", b"g", b"-5", b"+5", b"0x5", b"5_0", b"5 ", b" 5", b"5\t", b"5;", b"5; a",
     b"5;a b", b"5;a=", b'5;a="', b'5;a="b"c', b'5;a="\x00"', b"5;\x7f", b"5;=b", b"5;;a",
     b"5;\xe9", b"1000000000000000", b"f" * 16],
)  # fmt: skip
@pytest.mark.parametrize("before", [b"", b"2\r\nok\r\n"])
def test_a_line_that_is_none_ends_it(before: bytes, line: bytes) -> None:
    for pieces in ([before + line + b"\r\nhello\r\n0\r\n\r\n"], [before, line, b"\r\nhello"]):
        body, last, wrong = _read([piece for piece in pieces if piece])
        assert (last, wrong) == (None, True)
        assert body == (b"ok" if before else b"")


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\rX", b"\r\r\n", b"X\r\n", b"", b"\n\r\n"])
def test_only_crlf_ends_a_line_and_a_chunk(end: bytes) -> None:
    after = _read([b"5" + end + b"hello\r\n0\r\n\r\n"])
    assert after[1:] == (None, True)
    behind = _read([b"5\r\nhello" + end + b"0\r\n\r\n"])
    assert behind == (b"hello", None, True)


def test_a_line_without_end_is_not_waited_for() -> None:
    chunks = Chunks()
    fed = 0
    while not chunks.wrong:
        chunks.feed(b"5;" if not fed else b"a" * 100)
        fed += 100
    assert fed < 5000
    assert _read([b"5;%b\r\nhello" % (b"a" * 5000)])[2]


def test_zeros_without_end_are_not_waited_for() -> None:
    chunks = Chunks()
    for _ in range(50):
        chunks.feed(b"0" * 100)
    assert chunks.wrong


def test_a_chunk_goes_on_as_it_came() -> None:
    """Without a copy: what is one piece inside a chunk is that piece."""
    chunks = Chunks()
    chunks.feed(b"ffffff\r\n")
    piece = bytes(100_000)
    assert chunks.feed(piece) is piece
    assert chunks.left == 0xFFFFFF - 100_000


class _Whole:
    """What llhttp reads of a chunked body, when it sees all of it. `body`; `over`: its end."""

    def __init__(self, coded: bytes) -> None:
        self.body = b""
        self.over = self.refused = False
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        # No further than its end: what follows is another message.
        for at in range(len(coded)):
            try:
                parser.feed_data(coded[at : at + 1])
            except httptools.HttpParserError:
                self.refused = True
                return
            if self.over:
                self.rest = coded[at + 1 :]
                return

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.over = True


# Chunks, and what only looks like one: each part is right more often than not.
_SPELLED = st.sampled_from([b"", b"0", b"0" * 20])
_BEHIND = st.sampled_from(
    [*_LINES * 4, b" ", b"\t", b";", b";a ", b" ;a", b';a="', b";a=\n", b"\0"]
)
_LINE_END = st.sampled_from([*[b"\r\n"] * 12, b"\n", b"\r", b"\r\r\n", b""])
_ALIKE = st.builds(
    lambda zeros, size, behind, end, after: (
        zeros + b"%x" % size + behind + end + b"\n" * size + after
    ),
    _SPELLED,
    st.sampled_from([1, 2, 10]),
    _BEHIND,
    _LINE_END,
    _LINE_END,
)
_ENDING = st.sampled_from(
    [b"0\r\n\r\n", b"00;a\r\n\r\n", b"0\r\nA: b\r\n\r\n", b"0\r\n", b"0\n\r\n", b"0 \r\n\r\n", b""]
)
_CODED = st.builds(
    lambda alike, ending: b"".join(alike) + ending + b"GET / HTTP/1.1\r\n\r\n",
    st.lists(_ALIKE, max_size=3),
    _ENDING,
)


@settings(max_examples=400)
@given(_CODED, st.lists(st.integers(0, 2**16), max_size=6))
def test_nothing_is_read_that_llhttp_reads_otherwise(coded: bytes, cuts: list[int]) -> None:
    """Whatever comes, in any pieces: the same data and the same end, or no end at all."""
    body, last, wrong = _read([coded])
    assert _read(_cut(coded, cuts)) == (body, last, wrong)
    whole = _Whole(coded)
    if wrong:
        assert whole.body.startswith(body)
        return
    # What is still half a line may be refused already by who reads each byte.
    assert body == whole.body
    if whole.over:
        assert last is not None
    if last is None:
        return
    end = _Whole(last)
    assert (end.over, end.refused, end.body) == (whole.over, whole.refused, b"")
    if end.over:
        assert end.rest == whole.rest
