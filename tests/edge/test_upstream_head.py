"""What upstream gets."""

import inspect
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.edge.inbound import Inbound
from gateway.edge.upstream_head import portal_head, upstream_head
from gateway.session.entry import Live
from gateway.session.seal import Sealer
from tests.edge.samples import inbound, lines_of
from tests.session.samples import a_session, lines_for, new_keys

NOW = 1000.0


@pytest.fixture
def live(tmp_path: Path) -> Live:
    keys = new_keys(tmp_path)
    return Live(a_session(NOW), lines_for(keys), Sealer(keys))


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
            session.remembered.clear()
            assert head == upstream_head(made, session, NOW, whole_page=False)
            assert (b"SONARSESSID=mine" in head) is (session is live)


def test_a_remembered_rest_goes_with_its_assertion(live: Live) -> None:
    made = inbound("/a")
    first = upstream_head(made, live, NOW, whole_page=False)
    assert upstream_head(made, live, NOW + 1, whole_page=False) == first
    account = replace(live.session.account, username="jane")
    live.confirm(replace(live.session, account=account))
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
    """Smuggled in any spelling (CVE-2025-64484); and `Connection` takes nothing away that we add
    (GHSA-w9mr, CVE-2024-45410)."""
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
