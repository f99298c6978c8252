"""What upstream gets, and what the browser gets back."""

import inspect
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.edge.headers import (
    Outbound,
    RawReply,
    browser_head,
    interim_head,
    leads_to_login,
    portal_head,
    public_location,
    read_reply,
    upstream_head,
)
from gateway.edge.inbound import Inbound, Refusal
from gateway.reasons import Reason
from gateway.session.cookie import SEALED_PREFIX
from gateway.session.entry import Live
from gateway.session.seal import Sealer
from tests.edge.samples import RULES, headers, inbound, rules
from tests.session.samples import a_session, lines_for, new_keys

NOW = 1000.0


@pytest.fixture
def live(tmp_path: Path) -> Live:
    keys = new_keys(tmp_path)
    return Live(a_session(NOW), lines_for(keys), Sealer(keys))


def lines_of(head: bytes) -> list[str]:
    text = head.decode("latin-1")
    assert text.endswith("\r\n\r\n")
    assert "\n" not in text.replace("\r\n", "")
    return text[:-4].split("\r\n")


def test_a_password_users_request() -> None:
    head = upstream_head(
        inbound("/calls?page=2", "User-Agent: x", "Cookie: a=b; SONARSESSID=1"),
        None,
        NOW,
        whole_page=False,
    )
    assert lines_of(head) == [
        "GET /calls?page=2 HTTP/1.1",
        "Host: sonar.example",
        "X-Request-ID: new-id-0001",
        "X-Forwarded-For: 192.0.2.1",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: sonar.example",
        "User-Agent: x",
        "Cookie: a=b; SONARSESSID=1",
    ]


def test_a_signed_in_persons_request(live: Live) -> None:
    made = inbound("/", "Cookie: __Host-sonar_sso=x; a=b", "X-Sonar-Username: root")
    lines = lines_of(upstream_head(made, live, NOW, whole_page=False))
    assert "Cookie: a=b" in lines
    assert "X-Sonar-Username: jo" in lines
    assert "X-Sonar-Account-Id: id-jo" in lines
    assert not [line for line in lines if "root" in line or "sonar_sso" in line]
    assert sum(line.lower().startswith("x-sonar-username:") for line in lines) == 1


def asked_again(first: Inbound, **other: str) -> Inbound:
    """The same browser's next request: the same header block, which was read once."""
    made = {name: getattr(first, name) for name in inspect.signature(Inbound).parameters}
    return Inbound(**{**made, **other})


def test_a_remembered_rest_is_what_would_be_written_anew(live: Live, tmp_path: Path) -> None:
    first = inbound("/a", f"Cookie: a=b; SONARSESSID={live.seal('SONARSESSID', 'mine')}")
    keys = new_keys(tmp_path / "others")
    somebody = Live(a_session(NOW, key="f" * 64), lines_for(keys), Sealer(keys))
    changes: list[dict[str, str]] = [
        {"path": "/b", "query": "?c=d", "request_id": "new-id-0002"},
        {"client": "198.51.100.7"},
        {"proto": "http"},
        {"forwarded_host": "other.example"},
    ]
    for session in (live, somebody, live):
        for made in (first, *(asked_again(first, **change) for change in changes)):
            head = upstream_head(made, session, NOW, whole_page=False)
            session.kept.clear()
            assert head == upstream_head(made, session, NOW, whole_page=False)
            assert (b"SONARSESSID=mine" in head) is (session is live)


def test_a_remembered_rest_goes_with_its_assertion(live: Live) -> None:
    made = inbound("/a")
    first = upstream_head(made, live, NOW, whole_page=False)
    assert upstream_head(made, live, NOW + 1, whole_page=False) == first
    live.tell(replace(live.session.account, username="jane"))
    assert b"X-Sonar-Username: jane\r\n" in upstream_head(made, live, NOW + 2, whole_page=False)


@pytest.mark.parametrize(
    "line",
    [
        "X-Sonar-Username: root",
        "x-sonar-username: root",
        "X_Sonar_Username: root",
        "X.Sonar.Username: root",
        "X-Forwarded-For: root",
        "X_Forwarded_For: root",
        "Forwarded: for=root",
        "X-Real-IP: root",
        "X-Original-URL: /root",
        "X-Request-ID: rootrootroot",
        "Proxy: root",
        "Connection: X-Request-ID, X-Forwarded-For, X-Sonar-Username, root",
        "Cookie: __Host-sonar_tx_1=root",
    ],
)
def test_nothing_a_client_sends_speaks_for_us(line: str, live: Live) -> None:
    for session in (None, live):
        head = upstream_head(inbound("/", line), session, NOW, whole_page=False)
        assert b"root" not in head
        assert head.count(b"X-Request-ID: new-id-0001\r\n") == 1
        assert head.count(b"X-Forwarded-For: 192.0.2.1\r\n") == 1
    assert b"root" not in portal_head(inbound("/sso/login", line.replace("tx_1=root", "")))


@pytest.mark.parametrize(
    ("lines", "settings", "expected"),
    [
        ((), {}, []),
        (("Content-Length: 0",), {"method": "POST"}, ["Content-Length: 0"]),
        (("Content-Length: 007",), {"method": "POST"}, ["Content-Length: 7"]),
        (("Transfer-Encoding: chunked",), {"method": "POST"}, ["Transfer-Encoding: chunked"]),
        (
            ("Expect: 100-continue", "Content-Length: 3"),
            {"method": "POST"},
            ["Expect: 100-continue", "Content-Length: 3"],
        ),
        (
            ("Expect: 100-continue", "Content-Length: 3"),
            {"method": "POST", "minor": 0},
            ["Content-Length: 3"],
        ),
        (
            ("Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x"),
            {},
            ["Connection: Upgrade", "Upgrade: websocket"],
        ),
        (("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: x"), {}, []),
        (("TE: trailers", "Trailer: x", "Keep-Alive: 5"), {}, []),
    ],
)
def test_framing_is_written_anew(
    lines: tuple[str, ...], settings: dict[str, object], expected: list[str]
) -> None:
    head = upstream_head(inbound("/", *lines, **settings), None, NOW, whole_page=False)
    hop = ("content-", "transfer-", "expect", "connection", "upgrade", "te:", "trailer", "keep-")
    found = [line for line in lines_of(head) if line.lower().startswith((*hop, "http2"))]
    assert found == expected


def test_a_page_that_is_changed_is_asked_for_whole() -> None:
    made = inbound(
        "/login", "If-None-Match: x", "Range: bytes=0-1", "If-Range: x", "Accept-Encoding: zz",
        "If-Modified-Since: x", "User-Agent: u",
    )  # fmt: skip
    head = upstream_head(made, None, NOW, whole_page=True)
    assert lines_of(head)[6:] == ["User-Agent: u", "Accept-Encoding: gzip, br, zstd"]


def test_the_portal_gets_every_cookie() -> None:
    made = inbound("/sso/login", "Cookie: __Host-sonar_sso=x; __Host-sonar_tx_1=y; a=b")
    lines = lines_of(portal_head(made))
    assert "Cookie: __Host-sonar_sso=x; __Host-sonar_tx_1=y; a=b" in lines
    assert "X-Forwarded-For: 192.0.2.1" in lines
    assert "Host: sonar.example" in lines
    assert "Cookie" not in portal_head(inbound("/sso/login")).decode()


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
