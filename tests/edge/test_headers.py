"""What the browser gets back."""

from pathlib import Path

import pytest

from gateway.edge.headers import (
    Outbound,
    RawReply,
    browser_head,
    interim_head,
    leads_to_login,
    public_location,
    read_reply,
)
from gateway.edge.inbound import Refusal
from gateway.reasons import Reason
from gateway.session.cookie import SEALED_PREFIX
from gateway.session.entry import Live
from gateway.session.seal import Sealer
from tests.edge.samples import RULES, headers, inbound, lines_of, rules
from tests.session.samples import a_session, lines_for, new_keys

NOW = 1000.0


@pytest.fixture
def live(tmp_path: Path) -> Live:
    keys = new_keys(tmp_path)
    return Live(a_session(NOW), lines_for(keys), Sealer(keys))


def reply(
    *lines: str, status: int = 200, method: str = "GET", live: Live | None = None
) -> Outbound:
    read = read_reply(RawReply(status, b"OK", headers(*lines), True), method, live, RULES)
    assert isinstance(read, Outbound)
    return read


@pytest.mark.parametrize(
    ("lines", "passing"),
    [
        (("A: 1", "B: 2"), "A: 1|B: 2"),
        (("Connection: close", "A: 1"), "A: 1"),
        (("Connection: keep-alive, X-Hop", "X-Hop: 1", "A: 1"), "A: 1"),
        (("Connection: Content-Type, set-cookie", "Content-Type: x", "Set-Cookie: a=b"),
         "Content-Type: x|Set-Cookie: a=b"),
        (("Keep-Alive: timeout=5", "Proxy-Authenticate: x", "Trailer: x", "TE: x"), ""),
        (("Transfer-Encoding: chunked", "Upgrade: h2c"), ""),
        (("Content-Length: 5", "A: 1"), "A: 1"),
        (("Set-Cookie: a=b", "Set-Cookie: SONARSESSID=x"),
         "Set-Cookie: a=b|Set-Cookie: SONARSESSID=x"),
        (("ETag: x", "Vary: y", "Content-Encoding: gzip"),
         "ETag: x|Vary: y|Content-Encoding: gzip"),
        (("X-Odd:  two ",), "X-Odd: two "),
    ],
)  # fmt: skip
def test_what_the_browser_gets(lines: tuple[str, ...], passing: str) -> None:
    made = reply(*lines)
    assert "|".join(f"{n.decode()}: {v.decode()}" for n, v in made.fields) == passing


def test_set_cookie_under_a_session_is_sealed(live: Live) -> None:
    made = reply("Set-Cookie: SONARSESSID=x; Path=/", "Set-Cookie: lang=fr", live=live)
    (_, sealed), (_, other) = made.fields
    assert sealed.startswith(b"SONARSESSID=" + SEALED_PREFIX.encode())
    assert sealed.endswith(b"; Path=/")
    assert other == b"lang=fr"


@pytest.mark.parametrize(
    ("lines", "status", "method", "length", "has_body"),
    [
        (("Content-Length: 5",), 200, "GET", 5, True),
        ((), 200, "GET", None, True),
        (("Transfer-Encoding: chunked",), 200, "GET", None, True),
        (("Content-Length: 5",), 200, "HEAD", 5, False),
        (("Content-Length: 5",), 304, "GET", 5, False),
        ((), 204, "GET", None, False),
        ((), 103, "GET", None, False),
    ],
)
def test_length(
    lines: tuple[str, ...], status: int, method: str, length: int | None, has_body: bool
) -> None:
    made = reply(*lines, status=status, method=method)
    assert (made.length, made.has_body) == (length, has_body)


@pytest.mark.parametrize("coding", ["gzip", "gzip, chunked", "identity", "x"])
def test_a_body_nobody_can_take_apart_is_refused(coding: str) -> None:
    raw = RawReply(200, b"OK", headers(f"Transfer-Encoding: {coding}"), False)
    assert read_reply(raw, "GET", None, RULES) == Refusal(
        502, Reason.UPSTREAM_MALFORMED, "Transfer-Encoding is not chunked"
    )


@pytest.mark.parametrize(
    ("lines", "status", "method", "minor", "keep_alive", "framing"),
    [
        (("Content-Length: 5",), 200, "GET", 1, True, "Content-Length: 5"),
        (("Content-Length: 5",), 200, "GET", 1, False, "Content-Length: 5|Connection: close"),
        (("Content-Length: 5",), 200, "GET", 0, True, "Content-Length: 5|Connection: keep-alive"),
        ((), 200, "GET", 1, True, "Transfer-Encoding: chunked"),
        ((), 200, "GET", 0, False, "Connection: close"),
        (("Content-Length: 5",), 200, "HEAD", 1, True, "Content-Length: 5"),
        ((), 200, "HEAD", 1, True, ""),
        (("Content-Length: 5",), 304, "GET", 1, True, "Content-Length: 5"),
        (("Content-Length: 5",), 204, "GET", 1, True, ""),
    ],
)
def test_framing_towards_the_browser(
    lines: tuple[str, ...], status: int, method: str, minor: int, keep_alive: bool, framing: str
) -> None:
    head = browser_head(reply(*lines, status=status, method=method), minor, keep_alive=keep_alive)
    assert "|".join(lines_of(head)[1:]) == framing


def test_the_phrase_is_upstreams_own() -> None:
    raw = RawReply(404, b"Pas trouv\xe9", [], True)
    made = read_reply(raw, "GET", None, RULES)
    assert isinstance(made, Outbound)
    head = browser_head(made, 1, keep_alive=True, extra=b"X: 1\r\n")
    assert head.startswith(b"HTTP/1.1 404 Pas trouv\xe9\r\nX: 1\r\n")


def test_interim() -> None:
    made = reply("Link: </a>; rel=preload", status=103)
    assert interim_head(made, upgraded=False) == (
        b"HTTP/1.1 103 OK\r\nLink: </a>; rel=preload\r\n\r\n"
    )
    made = reply("Sec-WebSocket-Accept: x", "Upgrade: websocket", "Connection: Upgrade", status=101)
    assert lines_of(interim_head(made, upgraded=True)) == [
        "HTTP/1.1 101 OK",
        "Sec-WebSocket-Accept: x",
        "Connection: Upgrade",
        "Upgrade: websocket",
    ]


@pytest.mark.parametrize(
    ("location", "public"),
    [
        ("http://sonar.internal:8081/a?b#c", "https://sonar.example/a?b#c"),
        ("HTTP://Sonar.Internal:8081/a", "https://sonar.example/a"),
        ("http://sonar.internal:8081", "https://sonar.example/"),
        ("http://sonar.internal:8081?x", "https://sonar.example/?x"),
        ("/a", "/a"),
        ("a", "a"),
        ("", ""),
        ("//sonar.internal:8081/a", "//sonar.internal:8081/a"),
        ("http://sonar.internal/a", "http://sonar.internal/a"),
        ("https://sonar.internal:8081/a", "https://sonar.internal:8081/a"),
        ("http://sonar.internal:8081@evil.example/", "http://sonar.internal:8081@evil.example/"),
        ("http://user@sonar.internal:8081/", "http://user@sonar.internal:8081/"),
        ("http://sonar.internal:8081.evil.example/", "http://sonar.internal:8081.evil.example/"),
        ("http://other.example/x", "http://other.example/x"),
        ("http://[x", "http://[x"),
        ("caf\xe9", "caf\xe9"),
    ],
)
def test_locations_at_upstreams_own_address(location: str, public: str) -> None:
    assert public_location(location.encode("latin-1"), RULES) == public.encode("latin-1")
    (field,) = reply(f"Location: {location}", status=302).fields
    assert field == (b"Location", public.encode("latin-1"))


@pytest.mark.parametrize(
    ("location", "to_login"),
    [
        ("/login", True),
        ("/login?return_to=/a", True),
        ("/login#x", True),
        ("/%6cogin", True),
        ("/login;jsessionid=1?x", True),
        ("../login", True),
        ("https://sonar.example/login", True),
        ("https://sonar.example:443/login", True),
        ("http://sonar.internal:8081/login", True),
        ("//sonar.example/login", True),
        ("/login/", False),
        ("/logins", False),
        ("/", False),
        ("", False),
        ("?x", False),
        ("https://other.example/login", False),
        ("http://[x", False),
        ("/a?next=/login", False),
    ],
)
def test_what_leads_to_the_sign_in_page(location: str, to_login: bool) -> None:
    assert leads_to_login(location.encode(), inbound("/dir/page"), RULES) is to_login


def test_a_relative_location_starts_where_the_request_was() -> None:
    assert leads_to_login(b"login", inbound("/page"), RULES)
    assert not leads_to_login(b"login", inbound("/dir/page"), RULES)
    assert leads_to_login(b"signin", inbound("/app/x"), rules(login_path="/app/signin"))
