"""The first line of a request, before llhttp forgives it anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.request_line import may_become_one, target_of

LINES = [
    (b"GET / HTTP/1.1\r\n", b"/"),
    (b"OPTIONS * HTTP/1.0\r\n", b"*"),
    (b"M-SEARCH http://a/b?c HTTP/9.9\r\n", b"http://a/b?c"),
    (b"G!#$%&'*+-.^_`|~9 # HTTP/1.1\r\n", b"#"),
]
NO_LINES = [
    b"",
    b"\r\n",
    b"GET\r\n",
    b"GET /\r\n",
    b"GET / HTTP/1.1\n",
    b"GET / HTTP/1.1\r",
    b"GET / HTTP/1.1",
    b"GET  / HTTP/1.1\r\n",
    b"GET /  HTTP/1.1\r\n",
    b"GET / HTTP/1.1 \r\n",
    b" GET / HTTP/1.1\r\n",
    b"GET\t/ HTTP/1.1\r\n",
    b"GET / HTTP/11\r\n",
    b"GET / HTTP/1.10\r\n",
    b"GET / http/1.1\r\n",
    b"GET / RTSP/1.0\r\n",
    b"GET / HTTP/1.1\r\nA: b\r\n",
    b"GET /\x80 HTTP/1.1\r\n",
    b"G\x00T / HTTP/1.1\r\n",
    b"G(T / HTTP/1.1\r\n",
    b"GET / / HTTP/1.1\r\n",
]


@pytest.mark.parametrize(("line", "target"), LINES)
def test_lines(line: bytes, target: bytes) -> None:
    assert target_of(line) == target
    # However little of it has come, nothing is wrong yet.
    assert all(may_become_one(line[:end]) for end in range(len(line)))


@pytest.mark.parametrize("line", NO_LINES)
def test_no_lines(line: bytes) -> None:
    assert target_of(line) is None


@pytest.mark.parametrize(
    "beginning",
    [
        b"\n",
        b"\r\r",
        b" ",
        b"\x16\x03\x01",
        b"GET  ",
        b"GET / R",
        b"GET / HTTP/1.1\r\r",
        b"GET /\t",
        b"(",
        b"\r\n",
    ],
)
def test_what_can_never_become_one(beginning: bytes) -> None:
    assert not may_become_one(beginning)


@given(st.text(alphabet="GET /HTTP1.\r\n:\x00", max_size=20).map(str.encode))
def test_a_beginning_of_a_line_is_never_refused(line: bytes) -> None:
    if target_of(line) is not None:
        assert all(may_become_one(line[:end]) for end in range(len(line)))
