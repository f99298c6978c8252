"""What a hostile browser tries on each proxy: to say who it is, and to be asked about wrongly."""

import json
from collections.abc import Mapping

import pytest

from tests.forward_auth.front import Front, spread

pytestmark = pytest.mark.asyncio(loop_scope="module")

OURS = {"x-sonar-account-id", "x-sonar-username", "x-sonar-email", "x-sonar-provider",
        "x-sonar-assertion"}  # fmt: skip


def folded(headers: Mapping[str, str]) -> set[str]:
    """As CGI and its heirs read header names."""
    return {name.lower().replace("_", "-").replace(".", "-") for name in headers}


async def signed_in(front: Front, person: str = "jo") -> str:
    """The Cookie header of somebody who is signed in."""
    async with front.world.browser() as browser:
        await front.world.google(browser, person)
        return "; ".join(f"{name}={value}" for name, value in browser.cookies().items())


@pytest.mark.parametrize(
    "line",
    [
        "X-Sonar-Username: srivera",
        "x-sonar-assertion: eyJhbGciOiJub25lIn0.e30.",
        "X-SONAR-ACCOUNT-ID: 1002",
        "X_Sonar_Username: srivera",
        "X.Sonar.Username: srivera",
        "X-Sonar_Username: srivera",
        "X-Original-URL: /voicemail",
        "X-Rewrite-URL: /voicemail",
        "Proxy: http://evil.example",
        "X-Forwarded-For: 203.0.113.7",
        "X-Real-IP: 203.0.113.7",
        "Forwarded: for=203.0.113.7",
    ],
)
@pytest.mark.parametrize("path", ["/static/sonar.css", "/api/v1/me", "/login"])
async def test_a_browser_cannot_say_who_it_is(front: Front, line: str, path: str) -> None:
    """Whatever the answer, nothing of it reaches Sonar, on public and on private paths."""
    world = front.world
    name, _, value = line.partition(": ")
    folded_name = next(iter(folded({name: ""})))
    signed = await signed_in(front)
    for cookie in ("", "Cookie: SONARSESSID=made-up", f"Cookie: {signed}"):
        before = len(world.asked)
        await front.get(path, line, *([cookie] if cookie else []))
        for request in world.asked[before:]:
            assert value not in request.headers.values(), (cookie, dict(request.headers))
            if folded_name not in OURS or cookie != f"Cookie: {signed}":
                assert folded_name not in folded(request.headers) - {"x-forwarded-for", "x-real-ip"}


async def test_who_is_signed_in_is_who_the_gateway_says(front: Front) -> None:
    cookie = await signed_in(front)
    for line in ("X-Sonar-Username: srivera", "x-sonar-account-id: 1002",
                 "Connection: X-Sonar-Assertion, Cookie"):  # fmt: skip
        reply = await front.get("/api/v1/me", f"Cookie: {cookie}", line)
        if reply.status == 200:
            assert json.loads(reply.body)["username"] == "jmarch"
            sent = front.world.asked[-1].headers
            assert sent["X-Sonar-Username"] == "jmarch"
            assert len(sent.getall("X-Sonar-Assertion")) == 1
        else:
            # The header it said to be one of the connection's is gone: its own Cookie.
            assert (front.name, reply.status) == ("envoy", 401)
            assert line.startswith("Connection: ")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
async def test_nothing_private_is_reached_by_another_spelling(front: Front, method: str) -> None:
    world = front.world
    before = len(world.asked)
    for path in spread("/api/v1/me"):
        for lines in ((), ("X-Original-URI: /static/a",), ("X-Forwarded-Uri: /static/a",)):
            reply = await front.get(path, "Content-Length: 0", *lines, method=method)
            assert reply.status >= 300, (path, lines, reply.raw)
    assert [request.raw_path for request in world.asked[before:]] == []


@pytest.mark.parametrize(
    "lines",
    [
        ("X-Original-URI: /static/sonar.css", "X-Original-Method: GET"),
        ("X-Forwarded-Uri: /static/sonar.css", "X-Forwarded-Method: GET"),
        ("x-forwarded-uri: /static/sonar.css",),
        ("X_Forwarded_Uri: /static/sonar.css",),
        ("X-Forwarded-Uri: /static/sonar.css", "X-Forwarded-Uri: /static/sonar.css"),
        ("X-Forwarded-Method: OPTIONS",),
    ],
)
async def test_a_browser_cannot_say_what_is_asked(front: Front, lines: tuple[str, ...]) -> None:
    """authentik GHSA-5wcc, oauth2-proxy CVE-2026-40575."""
    before = len(front.world.asked)
    reply = await front.get("/api/v1/me", *lines, "Accept: application/json")
    assert reply.status in {400, 401, 403}
    assert front.world.asked[before:] == []
    # Nor can it make a public path of its own private one by asking about itself.
    cookie = await signed_in(front)
    await front.get("/calls", *lines, f"Cookie: {cookie}")
    assert {request.path for request in front.world.asked[before:]} <= {"/", "/calls"}


@pytest.mark.parametrize(
    "path",
    ["/sso/auth", "/sso/auth/", "/sso/auth/api/v1/me", "/sso/auth?x", "/sso/%61uth", "/sso//auth",
     "/sso/./auth", "/sso/auth/../auth", "/SSO/auth", "/sso/%61uth/api/v1/me", "/sso/auth%2fx"],
)  # fmt: skip
async def test_a_browser_gets_no_answer_of_a_proxy(front: Front, path: str) -> None:
    """Not even about itself: an assertion in a page's hands outlives the session."""
    cookie = await signed_in(front)
    for lines in (("X-Original-URI: /", "X-Original-Method: GET"),
                  ("X-Forwarded-Uri: /", "X-Forwarded-Method: GET"), ()):  # fmt: skip
        reply = await front.get(path, f"Cookie: {cookie}", *lines)
        assert reply.status in {400, 403, 404}, reply.raw
        # The first of two locks: that the proxy does not let the question through.
        assert reply.status == 404 or path != "/sso/auth"
        assert not OURS & set(reply.headers)
        assert "cookie" not in reply.headers


async def test_the_gateway_itself_answers_only_its_proxy(front: Front) -> None:
    """Who reaches the gateway past the proxy, from an address nobody trusts: here 127.0.0.2."""
    import asyncio

    cookie = await signed_in(front)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", front.world.port, local_addr=("127.0.0.2", 0)
    )
    lines = ["X-Original-URI: /calls", "X-Original-Method: GET"]
    if front.name == "caddy":
        lines = ["X-Forwarded-Uri: /calls", "X-Forwarded-Method: GET"]
    path = "/sso/auth/calls" if front.name == "envoy" else "/sso/auth"
    head = (f"GET {path} HTTP/1.1", "Host: localhost", f"Cookie: {cookie}", "Connection: close")
    writer.write("\r\n".join((*head, *lines, "", "")).encode())
    said = await reader.read()
    writer.close()
    assert said.startswith(b"HTTP/1.1 403 ")
    assert b"peer_untrusted" in said
    assert b"X-Sonar-" not in said


async def test_programs_get_401_and_people_the_sign_in_page(front: Front) -> None:
    before = len(front.world.asked)
    programs = [
        ("Accept: application/json",),
        ("X-Requested-With: XMLHttpRequest", "Accept: text/html"),
        ("Sec-Fetch-Mode: cors", "Accept: text/html"),
        ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
        (),
    ]  # fmt: skip
    for lines in programs:
        for method in ("GET", "POST", "OPTIONS"):
            if method != "GET" and "Upgrade: websocket" in lines:
                continue
            reply = await front.get("/calls", *lines, "Content-Length: 0", method=method)
            assert (reply.status, reply.headers.get("location")) == (401, None), (method, lines)
            assert reply.headers["content-type"] == "application/json"
            assert json.loads(reply.body)["error"] == "not_signed_in"
            assert reply.raw.lower().count(b"www-authenticate: ") == 1
    lines = ("Sec-Fetch-Mode: navigate", "Accept: text/html", "Content-Length: 0")
    reply = await front.get("/calls?page=2", *lines)
    assert reply.status == 302
    assert "www-authenticate" not in reply.headers
    location = reply.headers["location"].removeprefix(front.world.origin)
    assert location == "/sso/login?next=/calls%3Fpage%3D2"
    # Of a form its person hears; nginx has the gateway say so itself.
    reply = await front.get("/calls?page=2", *lines, "Sec-Fetch-Site: same-origin", method="POST")
    location = reply.headers.get("location", "").removeprefix(front.world.origin)
    told = (302, "/sso/unsent") if location else (401, "")
    assert (reply.status, location) == told
    assert location or b"form_not_sent" in reply.body
    assert front.world.asked[before:] == []


async def test_a_foreign_origins_websocket_gets_no_identity(front: Front) -> None:
    cookie = await signed_in(front)
    before = len(front.world.asked)
    lines = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", f"Cookie: {cookie}")  # fmt: skip
    reply = await front.get("/calls/live", *lines, "Origin: https://evil.example")
    assert reply.status == 403
    assert front.world.asked[before:] == []


async def test_what_is_asked_about_is_what_sonar_gets(front: Front) -> None:
    """Spelled as it came, with its query; the method too."""
    cookie = await signed_in(front)
    for method in ("GET", "HEAD", "POST"):
        for path in ("/calls?page=2&x=%2F..%2f&y=/static/", "/caf%C3%A9?a=b", "/a+b;c=d/~e"):
            before = len(front.world.asked)
            lines = (f"Cookie: {cookie}", "Content-Length: 0")
            await front.get(path, *lines, method=method)
            (request,) = front.world.asked[before:]
            assert (request.method, request.raw_path) == (method, path)
            assert request.headers["X-Sonar-Username"] == "jmarch"


async def test_cookies_that_have_piled_up(front: Front) -> None:
    cookie = await signed_in(front)
    piled = "; ".join(f"c{number}={'x' * 500}" for number in range(14))
    reply = await front.get("/api/v1/me", f"Cookie: {piled}; {cookie}")
    assert reply.status == 200
    assert front.world.asked[-1].headers["Cookie"].startswith("c0=xxx")
    assert "sonar_sso" not in front.world.asked[-1].headers["Cookie"]
    huge = "; ".join(f"c{number}={'x' * 1000}" for number in range(60))
    before = len(front.world.asked)
    reply = await front.get("/api/v1/me", f"Cookie: {huge}; {cookie}")
    assert reply.status >= 400
    assert front.world.asked[before:] == []
