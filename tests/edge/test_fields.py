"""What headers mean, and which are refused."""

import pytest

from gateway.config import Limits
from gateway.edge.fields import read_fields, seems_to_want_page, wants_page
from gateway.edge.inbound import Fields, Framing, Refusal
from gateway.reasons import Reason
from tests.edge.samples import RULES, fields, headers, rules, values

HOST = "Host: sonar.example"


def good(*lines: str) -> Fields:
    made = fields(HOST, *lines)
    assert isinstance(made, Fields), made
    return made


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        # request smuggling: a length that two servers could see differently
        (("Content-Length: 5", "Transfer-Encoding: chunked"), 400),
        (("Content-Length: 5", "Content-Length: 5"), 400),
        (("Content-Length: 5", "content-length: 6"), 400),
        (("Content-Length: 5, 5",), 400),
        (("Content-Length: +5",), 400),
        (("Content-Length: -5",), 400),
        (("Content-Length: 0x5",), 400),
        (("Content-Length: 5 5",), 400),
        (("Content-Length: ",), 400),
        (("Content-Length: 1_0",), 400),
        (("Content-Length: \xb2",), 400),
        (("Content-Length: " + "9" * 19,), 400),
        (("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 400),
        (("Transfer-Encoding: gzip, chunked",), 501),
        (("Transfer-Encoding: identity",), 400),
        (("Transfer-Encoding: chunked, identity",), 400),
        (("Transfer-Encoding: xchunked",), 400),
        (("Transfer-Encoding: ",), 400),
        (("Transfer-Encoding: \x0bchunked",), 400),
        # two hosts
        (("Host: other.example",), 400),
        (("host: sonar.example",), 400),
        # one thing only
        (("Expect: 100-continue", "Expect: 100-continue"), 400),
        (("Expect: something",), 417),
        (("Upgrade: websocket", "Upgrade: h2c"), 400),
    ],
)
def test_refused(lines: tuple[str, ...], status: int) -> None:
    refusal = fields(HOST, *lines)
    assert isinstance(refusal, Refusal)
    assert refusal.status == status
    assert refusal.reason is Reason.REQUEST_MALFORMED


@pytest.mark.parametrize("host", ["", "a b", "user@sonar.example", "sonar.example/x", "a,b"])
def test_a_host_that_is_none_is_refused(host: str) -> None:
    refusal = fields(f"Host: {host}")
    assert isinstance(refusal, Refusal)
    assert refusal.status == 400


def test_too_many_headers() -> None:
    assert isinstance(good(*(f"X-{number}: 1" for number in range(99))), Fields)
    refusal = fields(HOST, *(f"X-{number}: 1" for number in range(100)))
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.reason) == (431, Reason.REQUEST_TOO_LARGE)


@pytest.mark.parametrize(("length", "status"), [(1000, None), (1001, 413), (10**17, 413)])
def test_a_body_that_is_too_large(length: int, status: int | None) -> None:
    small = rules(limits={"body": "1000B"})
    made = fields(HOST, f"Content-Length: {length}", rules=small)
    if status is None:
        assert isinstance(made, Fields)
    else:
        assert isinstance(made, Refusal)
        assert (made.status, made.reason) == (413, Reason.BODY_TOO_LARGE)


def test_any_body_when_the_limit_is_off() -> None:
    assert isinstance(
        fields(HOST, "Content-Length: " + "9" * 18, rules=rules(limits={"body": "off"})), Fields
    )


@pytest.mark.parametrize(
    ("option", "passing"),
    [("pass", b"my_header: 1\r\nA: 2\r\n"), ("drop", b"A: 2\r\n"), ("refuse", None)],
)
def test_names_with_underscores(option: str, passing: bytes | None) -> None:
    made = fields(HOST, "my_header: 1", "A: 2", rules=rules(server={"underscore_headers": option}))
    if passing is None:
        assert isinstance(made, Refusal)
        assert made.status == 400
    else:
        assert isinstance(made, Fields)
        assert made.passing_lines == passing


@pytest.mark.parametrize("option", ["pass", "drop", "refuse"])
def test_names_with_underscores_that_read_like_ours_never_pass(option: str) -> None:
    """Whatever the option: under CGI they would be ours."""
    made = fields(
        HOST,
        "X_Sonar_Username: root",
        "X_Forwarded_For: 1.2.3.4",
        "A: 2",
        rules=rules(server={"underscore_headers": option}),
    )
    assert isinstance(made, Fields)
    assert made.passing_lines == b"A: 2\r\n"


@pytest.mark.parametrize(
    ("lines", "page"),
    [
        (("Accept: text/html",), True),
        (("accept: application/xhtml+xml, text/html;q=0.9",), True),
        (("Accept: application/json",), False),
        (("Accept: */*",), False),
        (("X: text/html",), None),
        ((), None),
    ],
)
def test_page_or_json(lines: tuple[str, ...], page: bool | None) -> None:
    for otherwise in (True, False):
        expected = otherwise if page is None else page
        assert wants_page(headers(*lines), otherwise=otherwise) is expected


@pytest.mark.parametrize(
    ("head", "page"),
    [
        (b"", True),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nACCEPT:text/html\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nAccept: */*\r\nCoo", False),
        (b"GET / HTTP/1.1\r\nAccept: appli", True),
        (b"GET / HTTP/1.1\r\n\r\nAccept: text/html\r\n", False),
        (b"GET / HTTP/1.1\r\naccept:\r\naccept: text/html\r\n", False),
        (b"GET / HTTP/1.1\r\naccept: x\naccept: */*\r\n", True),
    ],
)
def test_page_or_json_of_a_head_that_nobody_read(head: bytes, page: bool) -> None:
    assert seems_to_want_page(head) is page


@pytest.mark.parametrize(("accept", "page"), [("text/html", True), ("*/*", False)])
def test_a_refusal_says_how_to_tell(accept: str, page: bool) -> None:
    refusal = fields(HOST, f"Accept: {accept}", "Content-Length: x")
    assert isinstance(refusal, Refusal)
    assert refusal.page is page


@pytest.mark.parametrize(
    ("lines", "framing"),
    [
        ((), Framing(None, False)),
        (("Content-Length: 0",), Framing(0, False)),
        (("Content-Length: 5 ",), Framing(5, False)),
        (("Content-Length: 007",), Framing(7, False)),
        (("Transfer-Encoding: chunked",), Framing(None, True)),
        (("Transfer-Encoding: Chunked\t",), Framing(None, True)),
        # not Content-Length to us, so it must not be one to Sonar
        (("Content_Length: 5",), Framing(None, False)),
    ],
)
def test_framing(lines: tuple[str, ...], framing: Framing) -> None:
    assert good(*lines).framing == framing


@pytest.mark.parametrize(
    ("lines", "passing"),
    [
        (("A: 1", "B: 2 \t"), "A: 1\r\nB: 2\r\n"),
        (("A: 1", "A: 2"), "A: 1\r\nA: 2\r\n"),
        (("X-Sonar-Username: root", "X_Sonar_Username: root", "A: 1"), "A: 1\r\n"),
        (("Cookie: a=b", "A: 1"), "A: 1\r\n"),
        (("Connection: keep-alive", "Keep-Alive: 5", "A: 1"), "A: 1\r\n"),
        # headers named in Connection are dropped, in whatever spelling
        (("Connection: A", "A: 1", "B: 2"), "B: 2\r\n"),
        (("Connection: close, a ,B", "A: 1", "b: 2"), ""),
        (("Connection: X-Thing", "X_Thing: 1", "B: 2"), "B: 2\r\n"),
        (("Connection: close", "Connection: A", "A: 1"), ""),
        (("Connection: ,,", "A: 1"), "A: 1\r\n"),
        (("Accept: text/html",), "Accept: text/html\r\n"),
        (("Range: bytes=0-1",), "Range: bytes=0-1\r\n"),
    ],
)
def test_what_passes(lines: tuple[str, ...], passing: str) -> None:
    assert good(*lines).passing_lines == passing.encode()


@pytest.mark.parametrize(
    ("lines", "navigation"),
    [
        (("Sec-Fetch-Mode: navigate",), True),
        (("Sec-Fetch-Mode: navigate", "Accept: */*"), True),
        (("Accept: text/html,application/xhtml+xml;q=0.9",), True),
        (("Sec-Fetch-Mode: cors", "Accept: text/html"), False),
        (("Sec-Fetch-Mode: no-cors", "Accept: text/html"), False),
        (("Sec-Fetch-Mode: same-origin", "Accept: text/html"), False),
        (("Sec-Fetch-Mode: websocket",), False),
        (("Accept: text/html", "X-Requested-With: XMLHttpRequest"), False),
        (("Accept: application/json",), False),
        (("Accept: */*",), False),
        (("Accept: text/event-stream",), False),
        (("Sec-Fetch-Mode: navigate", "Sec-Fetch-Mode: cors"), False),
        ((), False),
    ],
)
def test_who_looks_at_the_answer(lines: tuple[str, ...], navigation: bool) -> None:
    assert good(*lines).navigation is navigation


def test_several_cookie_headers_are_one() -> None:
    assert good("Cookie: a=b", "Cookie: c=d").cookies.header == b"a=b; c=d"


def test_two_different_sessions_in_two_headers_are_none() -> None:
    made = good("Cookie: __Host-sonar_sso=a", "Cookie: __Host-sonar_sso=b")
    assert made.cookies.session is None


def test_what_a_proxy_tells_is_kept_apart() -> None:
    made = good("X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https", "X-Request-ID: abc")
    assert made.told.forwarded_for == b"1.2.3.4"
    assert made.told.forwarded_proto == b"https"
    assert made.told.request_id == b"abc"
    assert made.passing_lines == b""


def mutable(value: object) -> bool:
    if isinstance(value, tuple):
        return any(map(mutable, value))
    return not isinstance(value, bytes | str | int | frozenset | None)


def test_what_is_shared_cannot_be_changed() -> None:
    """The same block of two people's requests gives one object: nothing in it may be mutable."""
    made = good("Cookie: a=b; SONARSESSID=x", "A: 1")
    assert not mutable(values(made))
    again = read_fields(headers(HOST), RULES.fields._names, RULES.cookies, Limits())
    assert isinstance(again, Fields)
    assert values(again) == values(good())
