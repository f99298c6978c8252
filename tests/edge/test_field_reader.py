"""Headers that came before: they mean what they meant, and take only so much memory."""

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import Limits
from gateway.edge.field_reader import FieldReader
from gateway.edge.inbound import Fields, Refusal
from gateway.edge.request_reader import RequestReader
from gateway.reasons import Reason
from tests.edge.samples import RULES, fields, shown, values

HOST = "Host: sonar.example"
FIRST = f"GET /a HTTP/1.1\r\n{HOST}\r\n".encode()


def a_reader(limits: Limits | None = None) -> FieldReader:
    return FieldReader(RULES.fields._names, RULES.cookies, limits or Limits())


def good(*lines: str) -> Fields:
    made = fields(*lines)
    assert isinstance(made, Fields)
    return made


def meaning(reader: FieldReader, data: bytes) -> list[Any]:
    """What a new connection makes of a head: its events, as values that compare."""
    return shown(list(RequestReader(reader).feed(data)))


def test_a_block_is_remembered_byte_for_byte() -> None:
    reader = a_reader()
    made = good("Cookie: a=b")
    reader.remember(b"Cookie: a=b\r\n\r\n", made, familiar=True)
    assert reader.recall(b"Cookie: a=b\r\n\r\n") is made
    assert reader.recall(b"Cookie: a=c\r\n\r\n") is None
    assert reader.recall(b"cookie: a=b\r\n\r\n") is None


def test_only_what_comes_again_is_familiar() -> None:
    reader = a_reader()
    assert not reader.familiar(b"A: b\r\n\r\n")
    assert reader.familiar(b"A: b\r\n\r\n")
    assert not reader.familiar(b"A: c\r\n\r\n")
    assert not any(reader.familiar(b"x" * 5000) for _ in range(2))


def test_remembering_is_bounded() -> None:
    reader, made = a_reader(), good()
    for number in range(20_000):
        reader.remember(b"%d" % number, made, familiar=True)
    assert 2000 < len(reader._blocks) < 20_000
    assert reader.recall(b"0") is None
    assert reader.recall(b"19999") is made


@pytest.mark.parametrize(
    "line",
    [
        "Cookie: " + ";".join(f"{number:03}" for number in range(1000)),
        "Cookie: " + ";".join(f"SONARSESSID={number:x}" for number in range(256)),
        "Connection: " + ",".join(f"{number:03}" for number in range(1000)),
    ],
)
def test_what_is_remembered_is_bounded_by_what_it_weighs(line: str) -> None:
    """A block of 4 KiB can mean a thousand things, and each is an object."""
    reader = a_reader()
    tracemalloc.start()
    try:
        for number in range(600):
            lines = ("Host: a", line, f"X: {number}")
            block = "".join(f"{one}\r\n" for one in (*lines, "")).encode()
            for _ in range(2):
                reader.remember(block, good(*lines), familiar=True)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 25 * 1024 * 1024


def test_another_cookie_alone_is_read_alone() -> None:
    """An application that changes a cookie with each page costs little more than one that does
    not, and so does somebody who tries one forged cookie after the other."""
    reader = a_reader()
    heads = [FIRST + b"Cookie: a=%d; SONARSESSID=x\r\nA: b\r\n\r\n" % number for number in range(4)]
    blocks = [head.partition(b"\r\n")[2] for head in heads]
    for head in heads[:2]:
        assert reader.recall(head.partition(b"\r\n")[2]) is None
        meaning(reader, head)
    recalled = reader.recall(blocks[2])
    assert isinstance(recalled, Fields)
    assert values(recalled) == values(
        good("Host: sonar.example", "Cookie: a=2; SONARSESSID=x", "A: b")
    )
    assert not recalled.familiar
    # It came again: now it is one of those that are remembered whole.
    kept = reader.recall(blocks[2])
    assert isinstance(kept, Fields)
    assert kept.familiar
    assert reader.recall(blocks[2]) is kept
    assert len(reader._blocks) == 1


COOKIES = st.one_of(
    st.sampled_from(
        [
            b"a=b",
            b"",
            b" ",
            b"a=b ",
            b" a=b",
            b"a=b\t",
            b"SONARSESSID=1",
            b"a=\x00",
            b"a=\x7f",
            b"a=\xe4",
            b"__Host-sonar_sso=one",
            b"__Host-sonar_sso=one; __Host-sonar_sso=two",
            b"a=b\nCookie: c=d",
            b"a=b\r",
            b"a=b\r\n c=d",
            b"a=b\r\nCookie: c=d",
            b"a=b\r\nHost: other",
            b"a=" + b"x" * 4100,
            b"a=b\r\n\r\nGET /other HTTP/1.1",
        ]
    ),
    st.binary(max_size=20),
)
LINES = st.lists(
    st.sampled_from(
        [
            b"A: b",
            b"cookie: e=f",
            b"Cookie: g=h",
            b"cookie:i=j",
            b"Cookie:k=l",
            b"Connection: Cookie",
            b"Connection: close",
            b"Content-Length: 0",
            b"Content-Length: 3",
            b"Host: again",
            b"Upgrade: websocket",
            b"Connection: Upgrade",
            b"Transfer-Encoding: chunked",
            b"X-Cookie: m",
            b"Sec-Fetch-Mode: navigate",
            b"Bad Name: x",
            b" folded",
            b"X-Sonar-Username: me",
        ]
    ),
    max_size=3,
)


@given(LINES, LINES, st.lists(COOKIES, min_size=1, max_size=6))
def test_whatever_came_before_it_means_what_it_means_alone(
    before: list[bytes], behind: list[bytes], cookies: list[bytes]
) -> None:
    reader = a_reader()
    for cookie in (*cookies, *cookies, *cookies):
        lines = (*before, b"Cookie: " + cookie, *behind)
        head = FIRST + b"".join(line + b"\r\n" for line in lines) + b"\r\n"
        assert meaning(reader, head) == meaning(a_reader(), head)


@pytest.mark.parametrize(
    ("limits", "size"),
    [
        ({"header": "1KiB"}, 1020),
        ({"header": "1KiB", "headers": "1KiB", "request_line": "1KiB"}, 1000),
    ],
)
def test_a_longer_cookie_meets_its_limit_all_the_same(limits: dict[str, str], size: int) -> None:
    reader = a_reader(Limits.model_validate(limits))
    short, long = (FIRST + b"Cookie: a=" + b"b" * number + b"\r\n\r\n" for number in (10, size))
    for _ in range(3):
        assert len(meaning(reader, short)) == 2
    (refused,) = meaning(reader, long)
    assert refused == (431, Reason.REQUEST_TOO_LARGE)


def test_a_refused_block_is_no_model() -> None:
    reader = a_reader()
    for number in range(4):
        head = FIRST + b"Host: other\r\nCookie: a=%d\r\n\r\n" % number
        assert isinstance(RequestReader(reader).feed(head)[0].fields, Refusal)  # type: ignore[union-attr]
    assert not len(reader._models)
