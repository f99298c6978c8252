"""A request head that everybody reads in the same way, or a refusal."""

import pytest

from gateway.edge.inbound import Framing, Inbound, Refusal
from gateway.reasons import Reason
from tests.edge.samples import BEHIND_PROXY, PROXY, RULES, inbound, read


@pytest.mark.parametrize(
    "method", ["CONNECT", "TRACE", "PRI", "SOURCE", "DESCRIBE", "GETX", "get", ""]
)
def test_methods_not_served(method: str) -> None:
    refusal = read(method=method)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.reason) == (405, Reason.METHOD_NOT_ALLOWED)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "PROPFIND"])
def test_methods_served(method: str) -> None:
    assert inbound(method=method).method == method


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/", "/", ""),
        ("/a?b=c", "/a", "?b=c"),
        ("/a?", "/a", "?"),
        ("/a??b", "/a", "??b"),
        ("/a?b=/../c%2f", "/a", "?b=/../c%2f"),
        ("/%61?%61", "/a", "?%61"),
        # absolute-form for this very host
        ("http://sonar.example/a?b", "/a", "?b"),
        ("HTTPS://SONAR.example/a", "/a", ""),
        ("http://sonar.example", "/", ""),
        ("http://sonar.example?x", "/", "?x"),
    ],
)
def test_places(target: str, path: str, query: str) -> None:
    made = inbound(target)
    assert (made.path, made.query) == (path, query)


def test_the_asterisk_is_for_options() -> None:
    assert inbound("*", method="OPTIONS").path == "*"
    # RFC 9112 section 3.2.4: what OPTIONS of a whole server becomes at the last proxy.
    assert inbound("http://sonar.example", method="OPTIONS").path == "*"
    assert isinstance(read("*"), Refusal)


@pytest.mark.parametrize(
    "target",
    [
        "/a/../b",
        "/a%2fb",
        "/a#b",
        "/..;/a",
        "/a?b#c",
        "/a?b c",
        "//sonar.example@evil.example/..",
        "http://evil.example/a",
        "http://sonar.example:81/a",
        "http://sonar.example@evil.example/",
        "http://user@sonar.example/",
        "ftp://sonar.example/a",
        "http:/a",
        "http:///a",
        "://sonar.example/",
        "sonar.example:443",
        "a",
        "",
        "http://sonar.example#x",
        "http://sonar.example/%2e%2e/a",
    ],
)
def test_places_refused(target: str) -> None:
    refusal = read(target)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.reason) == (400, Reason.REQUEST_MALFORMED)


def test_http_1_1_needs_a_host() -> None:
    refusal = read(host=None)
    assert isinstance(refusal, Refusal)
    assert refusal.status == 400


def test_http_1_0_does_not() -> None:
    made = inbound(host=None, minor=0)
    assert made.host == "sonar.example"
    assert not made.keep_alive


def test_what_fields_refuse_stays_refused() -> None:
    refusal = read("/", "Content-Length: x")
    assert isinstance(refusal, Refusal)
    assert refusal.status == 400


def test_http_1_0_has_no_chunks() -> None:
    refusal = read("/", "Transfer-Encoding: chunked", minor=0, method="POST")
    assert isinstance(refusal, Refusal)
    assert refusal.status == 400


@pytest.mark.parametrize(
    ("path", "portal"),
    [
        ("/sso", True),
        ("/sso/", True),
        ("/sso/login", True),
        ("/%73so/login", True),
        ("/%73%73%6f", True),
        ("/ssox", False),
        ("/SSO/login", False),
        ("//sso/login", False),
        ("/a/sso/", False),
        ("/sso;x/login", False),
    ],
)
def test_whose_page_it_is(path: str, portal: bool) -> None:
    assert inbound(path).for_portal is portal


@pytest.mark.parametrize(
    ("lines", "minor", "keep_alive"),
    [
        ((), 1, True),
        (("Connection: close",), 1, False),
        (("Connection: Close",), 1, False),
        (("Connection: keep-alive, close",), 1, False),
        (("Connection: X-A, CLOSE",), 1, False),
        ((), 0, False),
        (("Connection: keep-alive",), 0, True),
        (("Connection: Keep-Alive",), 0, True),
        (("Connection: keep-alive, close",), 0, False),
    ],
)
def test_keep_alive(lines: tuple[str, ...], minor: int, keep_alive: bool) -> None:
    assert inbound("/", *lines, minor=minor).keep_alive is keep_alive


WEBSOCKET = ("Connection: keep-alive, Upgrade", "Upgrade: websocket")


@pytest.mark.parametrize(
    ("lines", "settings", "wants"),
    [
        (WEBSOCKET, {}, True),
        (("connection: upgrade", "upgrade: WebSocket"), {}, True),
        (WEBSOCKET, {"method": "POST"}, False),
        (WEBSOCKET, {"minor": 0}, False),
        ((*WEBSOCKET, "Content-Length: 3"), {}, False),
        ((*WEBSOCKET, "Transfer-Encoding: chunked"), {}, False),
        (("Upgrade: websocket",), {}, False),
        (("Connection: Upgrade",), {}, False),
        (("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"), {}, False),
        (("Connection: Upgrade", "Upgrade: h2c, websocket"), {}, False),
    ],
)
def test_only_websocket_is_upgraded_to(
    lines: tuple[str, ...], settings: dict[str, object], wants: bool
) -> None:
    assert inbound("/", *lines, **settings).wants_websocket is wants


@pytest.mark.parametrize(
    ("method", "navigates"),
    [("GET", True), ("HEAD", True), ("POST", True), ("OPTIONS", False), ("PUT", False),
     ("DELETE", False), ("PROPFIND", False)],
)  # fmt: skip
def test_a_navigation_is_what_links_and_forms_do(method: str, navigates: bool) -> None:
    for line in ("Sec-Fetch-Mode: navigate", "Accept: text/html"):
        assert inbound("/", line, method=method).navigation is navigates


def test_a_websocket_is_no_navigation() -> None:
    assert not inbound("/", *WEBSOCKET, "Accept: text/html").navigation


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ((), ("10.0.0.1", "https", "sonar.example", "new-id-0001")),
        (
            (
                "X-Forwarded-For: 192.0.2.7",
                "X-Forwarded-Proto: HTTP",
                "X-Forwarded-Host: portal.example:444",
                "X-Request-ID: from-proxy_1.2",
            ),
            ("192.0.2.7", "http", "portal.example:444", "from-proxy_1.2"),
        ),
        # each only where it is plain
        (
            (
                "X-Forwarded-For: nobody",
                "X-Forwarded-Proto: gopher",
                "X-Forwarded-Host: a, b",
                'X-Request-ID: "><script>',
            ),
            ("10.0.0.1", "https", "sonar.example", "new-id-0001"),
        ),
        (
            ("X-Request-ID: abcdefgh", "X-Request-ID: abcdefgh"),
            ("10.0.0.1", "https", "sonar.example", "new-id-0001"),
        ),
        (
            ("X-Request-ID: short",),
            ("10.0.0.1", "https", "sonar.example", "new-id-0001"),
        ),
        (
            ("X-Forwarded-Proto: http, https",),
            ("10.0.0.1", "https", "sonar.example", "new-id-0001"),
        ),
    ],
)
def test_a_trusted_proxy_is_believed(
    lines: tuple[str, ...], told: tuple[str, str, str, str]
) -> None:
    made = inbound("/", *lines, rules=BEHIND_PROXY, peer=PROXY)
    assert (made.client, made.proto, made.forwarded_host, made.request_id) == told


FORWARDED = "Forwarded: for=192.0.2.7;proto=http;host=portal.example"


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ((FORWARDED,), ("192.0.2.7", "http", "portal.example")),
        (("Forwarded: for=192.0.2.7",), ("192.0.2.7", "https", "sonar.example")),
        (("Forwarded: for=1.2.3.4", FORWARDED), ("192.0.2.7", "http", "portal.example")),
        # what cannot be read, or hides the client: what we see ourselves, all of it
        (("Forwarded: for=unknown;proto=http",), ("10.0.0.1", "https", "sonar.example")),
        (("Forwarded: nonsense",), ("10.0.0.1", "https", "sonar.example")),
        (("Forwarded: ",), ("10.0.0.1", "https", "sonar.example")),
        # both, and the same
        (
            (
                FORWARDED,
                "X-Forwarded-For: 192.0.2.7",
                "X-Forwarded-Proto: http",
                "X-Forwarded-Host: portal.example",
            ),
            ("192.0.2.7", "http", "portal.example"),
        ),
        (
            ("Forwarded: for=192.0.2.7", "X-Forwarded-For: 1.2.3.4, 192.0.2.7"),
            ("192.0.2.7", "https", "sonar.example"),
        ),
    ],
)
def test_a_trusted_proxy_may_say_forwarded(
    lines: tuple[str, ...], told: tuple[str, str, str]
) -> None:
    made = inbound("/", *lines, rules=BEHIND_PROXY, peer=PROXY)
    assert (made.client, made.proto, made.forwarded_host) == told


@pytest.mark.parametrize(
    "lines",
    [
        # its client made one of them up, as the proxy passes on what it does not set
        (FORWARDED, "X-Forwarded-For: 192.0.2.8"),
        (FORWARDED, "X-Forwarded-For: 192.0.2.7"),
        (FORWARDED, "X-Forwarded-Proto: https"),
        (FORWARDED, "X-Forwarded-Host: other.example"),
        ("Forwarded: for=192.0.2.7", "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: http"),
        ("Forwarded: for=unknown", "X-Forwarded-For: 192.0.2.7"),
        ("Forwarded: nonsense", "X-Forwarded-For: 192.0.2.7"),
        ("Forwarded: for=192.0.2.7", "X-Forwarded-For: nonsense"),
        ("Forwarded: for=192.0.2.7", "X-Forwarded-Proto: https"),
        ("Forwarded: for=10.0.0.9, for=192.0.2.7", "X-Forwarded-For: 192.0.2.7, 192.0.2.8"),
    ],
)
def test_two_stories_are_none(lines: tuple[str, ...]) -> None:
    refusal = read("/", *lines, rules=BEHIND_PROXY, peer=PROXY)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.reason) == (400, Reason.REQUEST_MALFORMED)


def test_nobody_else_may_say_forwarded() -> None:
    """Neither believed nor held against whoever sends it."""
    made = inbound("/", FORWARDED, "X-Forwarded-For: 127.0.0.1", rules=BEHIND_PROXY)
    assert (made.client, made.proto, made.forwarded_host) == (
        "192.0.2.1", "https", "sonar.example",
    )  # fmt: skip
    assert made.fields.passing_lines == b""


def test_nobody_else_is() -> None:
    made = inbound(
        "/",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Host: evil.example",
        "X-Request-ID: abcdefgh",
        rules=BEHIND_PROXY,
    )
    assert (made.client, made.proto, made.forwarded_host, made.request_id) == (
        "192.0.2.1", "https", "sonar.example", "new-id-0001",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("method", "lines", "repeatable"),
    [
        ("GET", (), True),
        ("HEAD", (), True),
        ("DELETE", (), True),
        ("PUT", ("Content-Length: 0",), True),
        ("PUT", ("Content-Length: 1",), False),
        ("GET", ("Transfer-Encoding: chunked",), False),
        ("POST", (), False),
        ("PATCH", (), False),
        ("LOCK", (), False),
    ],
)
def test_what_may_be_sent_twice(method: str, lines: tuple[str, ...], repeatable: bool) -> None:
    assert inbound("/", *lines, method=method).repeatable is repeatable


def test_framing_is_kept() -> None:
    made = inbound("/", "Content-Length: 3", method="POST")
    assert isinstance(made, Inbound)
    assert made.fields.framing == Framing(3, False)


def test_rules_are_those_of_the_config() -> None:
    assert RULES.public_host == "sonar.example"
    assert {str(origin) for origin in RULES.upstreams} == {"http://sonar.internal:8081"}
