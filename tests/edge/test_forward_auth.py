"""/sso/auth over sockets: a proxy's connection, and everybody else who tries it."""

from dataclasses import replace

import pytest

from tests.edge.conftest import MakeWorld
from tests.edge.world import NAVIGATION, World, get

NGINX = {"trusted_proxies": ["127.0.0.0/8"], "forward_auth": "nginx"}
ENVOY = {"trusted_proxies": ["127.0.0.0/8"], "forward_auth": "envoy"}
CADDY = {"trusted_proxies": ["127.0.0.0/8"], "forward_auth": "caddy"}
# Trusted, but not us.
STRANGER = {"trusted_proxies": ["192.0.2.0/24"], "forward_auth": "nginx"}


def asks(uri: str, *lines: str, method: str = "GET") -> bytes:
    """nginx's question; it speaks HTTP/1.0 to us unless told otherwise."""
    said = (f"X-Original-URI: {uri}", f"X-Original-Method: {method}")
    return get("/sso/auth", *said, *lines)


@pytest.fixture
async def nginx(make_world: MakeWorld) -> World:
    return await make_world(server=NGINX)


async def test_a_signed_in_person_is_vouched_for(nginx: World) -> None:
    cookie, live = await nginx.sign_in()
    reply = await nginx.ask(asks("/calls?page=2", f"Cookie: a=b; {cookie}", method="POST"))
    assert (reply.status, reply.body) == (200, b"")
    assert reply.headers["x-sonar-username"] == "jo"
    assert reply.headers["x-sonar-account-id"] == "id-jo"
    assert reply.headers["x-sonar-assertion"].startswith("ey")
    assert reply.headers["cookie"] == "a=b"
    assert reply.headers["cache-control"] == "no-store"
    # Neither Sonar nor the portal heard of it.
    assert nginx.sonar.calls == nginx.portal.calls == []
    (line,) = nginx.lines_of(1)
    assert (line["kind"], line["status"], line["account"]) == ("identity", 200, "id-jo")
    assert (line["method"], line["path"], line["upstream_ms"]) == ("POST", "/calls", None)
    assert line["session"] == live.session.public_id
    assert line["request_id"] == reply.headers["x-request-id"]


async def test_it_is_answered_from_memory(nginx: World) -> None:
    """Not the store, and no task: the answer is there when `data_received` returns."""
    cookie, _ = await nginx.sign_in()

    async def down(key: str) -> None:
        raise AssertionError("the store was asked")

    nginx.store.load = down  # type: ignore[method-assign]
    browser = await nginx.browser()
    for _ in range(3):
        await browser.say(asks("/calls", f"Cookie: {cookie}"))
        assert (await browser.reply()).status == 200
    for lines in (("Cookie: sonar_sso=made-up",), (f"Cookie: {cookie}", "X-Sonar-Email: evil")):
        await browser.say(asks("/calls", *lines))
        assert (await browser.reply()).status in {401, 403}


async def test_activity_is_noted(nginx: World) -> None:
    """Who works in Sonar must not be signed out as idle because nothing passes us."""
    cookie, live = await nginx.sign_in()
    live.session = replace(live.session, seen=live.session.seen - 100)
    before = live.session.seen
    await nginx.ask(asks("/calls", f"Cookie: {cookie}"))
    assert live.session.seen > before


async def test_questions_sent_ahead_are_answered_in_order(nginx: World) -> None:
    cookie, _ = await nginx.sign_in()
    browser = await nginx.browser()
    await browser.say(
        asks("/calls", f"Cookie: {cookie}")
        + asks("/calls")
        + asks("/static/a.css")
        + asks("/calls", "Cookie: SONARSESSID=1")
    )
    statuses = [(await browser.reply()).status for _ in range(4)]
    assert statuses == [200, 401, 200, 200]


async def test_nginx_gets_no_challenge_that_it_would_add_to_our_reply(nginx: World) -> None:
    reply = await nginx.ask(asks("/calls"))
    assert (reply.status, reply.json["error"]) == (401, "not_signed_in")
    assert "www-authenticate" not in reply.headers
    assert "www-authenticate" in (await nginx.ask(get("/calls"))).headers


async def test_http_1_0_as_nginx_speaks_it(nginx: World) -> None:
    for connection, stays in (("close", False), ("keep-alive", True)):
        browser = await nginx.browser()
        question = asks("/static/a", f"Connection: {connection}").replace(b"HTTP/1.1", b"HTTP/1.0")
        await browser.say(question)
        reply = await browser.reply()
        assert (reply.status, reply.headers["connection"]) == (200, connection)
        if not stays:
            assert await browser.eof() == b""


async def test_an_upgrade_that_is_asked_about(make_world: MakeWorld) -> None:
    """Caddy repeats `Upgrade` in its question; what follows on the connection is a request."""
    world = await make_world(server=CADDY)
    cookie, _ = await world.sign_in()
    browser = await world.browser()
    lines = ("X-Forwarded-Uri: /live", "X-Forwarded-Method: GET", f"Cookie: {cookie}",
             "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")  # fmt: skip
    for origin, status in (("http://sonar.test", 200), ("https://evil.example", 403)):
        await browser.say(get("/sso/auth", *lines, f"Origin: {origin}"))
        assert (await browser.reply()).status == status
    assert world.sonar.calls == []


async def test_a_sign_out_that_goes_past_us_ends_the_session(nginx: World) -> None:
    """The configurations send `/logout` through the gateway; one that does not is no way to stay
    signed in."""
    cookie, live = await nginx.sign_in()
    reply = await nginx.ask(asks("/logout", f"Cookie: {cookie}"))
    assert (reply.status, live.ended) == (200, True)
    assert reply.headers["x-sonar-username"] == "jo"
    assert (await nginx.ask(asks("/calls", f"Cookie: {cookie}"))).status == 401


async def test_envoy_sends_the_path_itself(make_world: MakeWorld) -> None:
    world = await make_world(server=ENVOY)
    cookie, _ = await world.sign_in()
    reply = await world.ask(get("/sso/auth/calls?page=2", f"Cookie: {cookie}"))
    assert (reply.status, reply.headers["x-sonar-username"]) == (200, "jo")
    assert reply.headers["x-envoy-auth-headers-to-remove"] == "Cookie"
    reply = await world.ask(get("/sso/auth/calls?page=2", *NAVIGATION))
    assert reply.status == 302
    assert reply.headers["location"] == ("http://localhost:8080/sso/login?next=/calls%3Fpage%3D2")
    for path in ("/sso/auth/..%2fcalls", "/sso/auth/../calls", "/sso/auth/%2e%2e/calls",
                 "/sso/auth/..;/calls", "/sso/auth/a%2fb", "/sso/auth/#/static/a"):  # fmt: skip
        assert (await world.ask(get(path, f"Cookie: {cookie}"))).status == 400
    # HEAD and POST are asked with their own method; no body comes with them.
    head = get("/sso/auth/static/a").replace(b"GET ", b"HEAD ")
    assert (await world.ask(head)).status == 200
    post = get("/sso/auth/calls", "Content-Length: 0", *NAVIGATION).replace(b"GET ", b"POST ")
    assert (await world.ask(post)).headers["location"] == "http://localhost:8080/sso/unsent"
    assert world.sonar.calls == world.portal.calls == []


@pytest.mark.parametrize("lines", [(), NAVIGATION, ("Accept: application/json",)])
async def test_a_stranger_gets_no_answer(make_world: MakeWorld, lines: tuple[str, ...]) -> None:
    """A browser that asks itself, or whoever reaches the gateway past its proxy: no identity, not
    even their own, and nothing about which paths there are."""
    world = await make_world(server=STRANGER)
    cookie, _ = await world.sign_in()
    for uri in ("/calls", "/static/a.css", "/x%2fy", "/sso/login"):
        for given in ((f"Cookie: {cookie}",), ("Cookie: SONARSESSID=1",), ()):
            reply = await world.ask(asks(uri, *given, *lines))
            assert reply.status == 403
            assert b"peer_untrusted" in reply.body
            assert not {name for name in reply.headers if name.startswith("x-sonar-")}
    assert world.sonar.calls == world.portal.calls == []


async def test_where_nobody_may_ask_it_is_a_page_that_is_not_there(world: World) -> None:
    cookie, _ = await world.sign_in()
    await world.ask(asks("/calls", f"Cookie: {cookie}"))
    (head,) = world.portal.heads
    assert head.startswith(b"GET /sso/auth HTTP/1.1\r\n")
    assert b"X-Original" not in head


async def test_a_huge_cookie(nginx: World) -> None:
    cookie, _ = await nginx.sign_in()
    huge = "; ".join(f"c{number}={'x' * 1000}" for number in range(14))
    reply = await nginx.ask(asks("/calls", f"Cookie: {huge}; {cookie}"))
    assert (reply.status, reply.headers["cookie"]) == (200, huge)
    reply = await nginx.ask(asks("/calls", f"Cookie: {huge * 2}; {cookie}"))
    assert reply.status == 431


async def test_one_persons_answer_is_never_anothers(nginx: World) -> None:
    cookie, _ = await nginx.sign_in()
    browser = await nginx.browser()
    for lines, status in (
        ((f"Cookie: {cookie}",), 200),
        ((), 401),
        ((f"Cookie: {cookie}",), 200),
        (("Cookie: SONARSESSID=1",), 200),
    ):
        await browser.say(asks("/calls", *lines))
        reply = await browser.reply()
        assert reply.status == status
        assert ("x-sonar-username" in reply.headers) is (lines == (f"Cookie: {cookie}",))
