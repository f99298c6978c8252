"""The way of a request over real sockets: what reaches Sonar, what reaches the browser."""

import asyncio
import time
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from gateway.errors import SessionsUnavailable
from gateway.policy.model import Policies, Sso
from gateway.reasons import Reason
from gateway.session.cookie import SEALED_PREFIX
from gateway.session.live import Live
from tests.edge.conftest import MakeWorld
from tests.edge.world import NAVIGATION, OK, POLICY, Call, Script, World, get
from tests.session.samples import until


def cookies_set(raw: bytes) -> list[str]:
    lines = raw.decode("latin-1").split("\r\n")
    return [line.partition(": ")[2] for line in lines if line.lower().startswith("set-cookie: ")]


def answering(reply: bytes) -> Script:
    async def script(call: Call) -> None:
        while True:
            await call.head()
            await call.say(reply)

    return script


async def test_a_signed_in_person_reaches_sonar_with_an_identity(world: World) -> None:
    cookie, live = await world.sign_in()
    reply = await world.ask(get("/calls?page=2", f"Cookie: {cookie}; a=b", "X-Sonar-Email: evil"))
    assert reply.status == 200
    (head,) = world.sonar.heads
    assert head.startswith(b"GET /calls?page=2 HTTP/1.1\r\n")
    assert b"X-Sonar-Username: jo\r\n" in head
    assert b"X-Sonar-Assertion: ey" in head
    assert b"X-Forwarded-For: 127.0.0.1\r\n" in head
    assert b"Cookie: a=b\r\n" in head
    assert b"evil" not in head
    assert b"sonar_sso" not in head
    (line,) = world.lines_of(1)
    assert line["kind"] == "identity"
    assert line["session"] == live.session.public_id
    assert line["account"] == "id-jo"
    assert line["upstream_ms"] is not None


async def test_an_unread_session_is_asked_for_once(world: World) -> None:
    """A process that never saw the cookie asks the store, and then knows it."""
    cookie, live = await world.sign_in()
    world.sessions._cache.drop(live.session.key)
    browser = await world.browser()
    for _ in range(2):
        await browser.say(get("/", f"Cookie: {cookie}"))
        assert (await browser.reply()).status == 200
    assert world.sonar.heads[0].count(b"X-Sonar-Username: jo\r\n") == 1


@pytest.mark.parametrize("path", ["/", "/static/a.css", "/login", "/sso/login"])
@pytest.mark.parametrize("cookie", ["", "Cookie: SONARSESSID=1", "Cookie: sonar_sso=made-up"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_client_sent_identity_goes_nowhere(
    world: World, path: str, cookie: str, method: str
) -> None:
    """On public paths, and with OPTIONS, neither (oauth2-proxy #1065)."""
    lines = ["X-Sonar-Username: evil", "X_Sonar_Username: evil", "x-sonar-assertion: evil",
             "Connection: X-Request-ID"]  # fmt: skip
    request = get(path, *lines, *([cookie] if cookie else []))
    await world.ask(request.replace(b"GET ", f"{method} ".encode(), 1))
    for head in (*world.sonar.heads, *world.portal.heads):
        assert b"evil" not in head
        assert b"X-Request-ID: " in head


async def test_a_password_user_passes_untouched(world: World) -> None:
    world.sonar.script = answering(
        b"HTTP/1.1 200 OK\r\nSet-Cookie: SONARSESSID=2; Path=/\r\nContent-Length: 0\r\n\r\n"
    )
    reply = await world.ask(get("/", "Cookie: SONARSESSID=1; a=b"))
    assert cookies_set(reply.raw) == ["SONARSESSID=2; Path=/"]
    (head,) = world.sonar.heads
    assert b"Cookie: SONARSESSID=1; a=b\r\n" in head
    assert b"X-Sonar" not in head
    assert world.lines_of(1)[0]["kind"] == "password"


async def test_not_signed_in(world: World) -> None:
    page = await world.ask(get("/voicemail?box=7", *NAVIGATION))
    assert page.status == 302
    assert page.headers["location"] == "/sso/login?next=/voicemail%3Fbox%3D7"
    call = await world.ask(get("/api/calls", "Accept: application/json"))
    assert call.status == 401
    assert call.json["error"] == "not_signed_in"
    assert "location" not in call.headers
    assert world.sonar.heads == []
    assert [line["reason"] for line in world.lines_of(2)] == ["not_signed_in"] * 2


def post(path: str, body: bytes, *headers: str) -> bytes:
    """A form that a person sends."""
    lines = (*NAVIGATION, f"Content-Length: {len(body)}", *headers)
    return get(path, *lines).replace(b"GET ", b"POST ", 1) + body


async def test_a_form_of_nobody_goes_to_the_portal_which_hears_where_it_was_meant_to_go(
    world: World,
) -> None:
    async def script(call: Call) -> None:
        await call.head()
        await call.body(3)
        await call.say(
            b"HTTP/1.1 303 See Other\r\nLocation: /sso/login\r\nContent-Length: 0\r\n"
            b"Set-Cookie: sonar_tx_forms=1; Path=/\r\n\r\n"
        )

    world.portal.script = script
    forged = ("X-Sonar-Meant: /evil", "X_Sonar_Meant: /evil", "Cookie: sonar_sso=old; a=b")
    reply = await world.ask(post("/calls/%67reet?x=1", b"a=b", *forged))

    assert (reply.status, reply.headers["location"]) == (303, "/sso/login")
    assert cookies_set(reply.raw) == ["sonar_tx_forms=1; Path=/"]
    (call,) = world.portal.calls
    head, _, body = bytes(call.seen).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /sso/unsent HTTP/1.1"
    meant = [line for line in lines if line.lower().replace(b"_", b"-").startswith(b"x-sonar-")]
    assert meant == [b"X-Sonar-Meant: /calls/greet?x=1"]
    assert b"Cookie: sonar_sso=old; a=b" in lines
    assert body == b"a=b"
    assert world.sonar.heads == []
    (line,) = world.lines_of(1)
    assert (line["kind"], line["path"], line["status"]) == ("sign_in", "/calls/greet", 303)
    assert line["reason"] == "session_expired"


async def test_what_a_script_posts_for_nobody_gets_401(world: World) -> None:
    request = get("/calls", "Sec-Fetch-Mode: cors", "Content-Length: 3").replace(b"GET", b"POST")
    reply = await world.ask(request + b"a=b")
    assert reply.status == 401
    assert world.portal.calls == []


async def test_a_form_of_somebody_signed_in_and_of_a_password_user_goes_to_sonar(
    world: World,
) -> None:
    cookie, _ = await world.sign_in()

    async def script(call: Call) -> None:
        await call.head()
        await call.body(3)
        await call.say(OK)

    world.sonar.script = script
    for header in (f"Cookie: {cookie}", "Cookie: SONARSESSID=1"):
        assert (await world.ask(post("/calls", b"a=b", header))).status == 200
    assert world.portal.calls == []


async def test_a_websocket_of_nobody_gets_401(world: World) -> None:
    reply = await world.ask(get("/ws", "Connection: Upgrade", "Upgrade: websocket"))
    assert reply.status == 401


async def test_head_of_nobody_has_no_body(world: World) -> None:
    browser = await world.browser()
    await browser.say(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + get("/", "Cookie: SONARSESSID=1"))
    assert (await browser.reply(head_only=True)).status == 401
    assert (await browser.reply()).body == b"ok"


async def test_a_forged_cookie_asks_no_store(world: World) -> None:
    asked: list[str] = []
    world.store.load = asked.append  # type: ignore[method-assign, assignment]
    value = "a" * 43 + "." + "0" * 16 + "." + "b" * 43
    reply = await world.ask(get("/", f"Cookie: {world.names.session}={value}"))
    assert reply.json["error"] == "session_expired"
    assert asked == []


async def test_two_different_sessions_are_none(world: World) -> None:
    mine, _ = await world.sign_in()
    other, _ = await world.sign_in()
    assert (await world.ask(get("/", f"Cookie: {mine}; {other}"))).status == 401
    assert (await world.ask(get("/", f"Cookie: {mine}; {mine}"))).status == 200


async def test_a_policy_that_no_longer_allows_it_is_in_force_at_once(world: World) -> None:
    cookie, _ = await world.sign_in()
    browser = await world.browser()
    await browser.say(get("/", f"Cookie: {cookie}"))
    assert (await browser.reply()).status == 200
    world.policies = Policies({"acme.example": replace(POLICY, sso=Sso.OFF)})
    await browser.say(get("/", f"Cookie: {cookie}"))
    assert (await browser.reply()).json["error"] == "domain_off"


async def test_an_ended_session_is_refused(world: World) -> None:
    cookie, live = await world.sign_in()
    assert (await world.ask(get("/", f"Cookie: {cookie}"))).status == 200
    await world.sessions.end(live.session.key)
    assert (await world.ask(get("/", f"Cookie: {cookie}"))).json["error"] == "session_expired"


# A legacy session born under SSO dies with it.


async def test_legacy_cookies_are_sealed_and_opened(world: World) -> None:
    world.sonar.script = answering(
        b"HTTP/1.1 200 OK\r\nSet-Cookie: SONARSESSID=s3cret; Path=/\r\nSet-Cookie: a=b\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    cookie, live = await world.sign_in()
    reply = await world.ask(get("/", f"Cookie: {cookie}"))
    sealed, other = cookies_set(reply.raw)
    assert sealed.startswith(f"SONARSESSID={SEALED_PREFIX}")
    assert "s3cret" not in sealed
    assert other == "a=b"
    pair = sealed.partition(";")[0]

    await world.ask(get("/2", f"Cookie: {cookie}; {pair}"))
    assert b"Cookie: SONARSESSID=s3cret\r\n" in world.sonar.heads[-1]

    await world.sessions.end(live.session.key)
    assert (await world.ask(get("/3", f"Cookie: {cookie}; {pair}"))).status == 401
    assert (await world.ask(get("/3", f"Cookie: {pair}"))).status == 401
    await world.ask(get("/static/x", f"Cookie: {pair}"))
    assert b"SONARSESSID" not in world.sonar.heads[-1]


async def test_somebody_elses_seal_opens_nothing(world: World) -> None:
    _, mine = await world.sign_in()
    other, _ = await world.sign_in()
    sealed = mine.seal("SONARSESSID", "s3cret")
    await world.ask(get("/", f"Cookie: {other}; SONARSESSID={sealed}"))
    assert b"SONARSESSID" not in world.sonar.heads[0]


async def test_a_bare_legacy_cookie_does_not_mix_with_a_session(world: World) -> None:
    cookie, _ = await world.sign_in()
    await world.ask(get("/", f"Cookie: {cookie}; SONARSESSID=somebody-else"))
    assert b"somebody-else" not in world.sonar.heads[0]


# Signing out.


async def test_sonars_sign_out_ends_our_session(world: World) -> None:
    cookie, live = await world.sign_in()
    sealed = live.seal("SONARSESSID", "s3cret")
    world.sonar.script = answering(
        b"HTTP/1.1 302 Found\r\nLocation: /login\r\nSet-Cookie: SONARSESSID=new\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    reply = await world.ask(get("/logout", f"Cookie: {cookie}; SONARSESSID={sealed}"))
    assert reply.status == 302  # and no page that says it was refused
    assert b"Cookie: SONARSESSID=s3cret\r\n" in world.sonar.heads[0]
    gone = [value for value in cookies_set(reply.raw) if "Max-Age=0" in value]
    assert [value.partition("=")[0] for value in gone] == ["sonar_sso", "SONARSESSID"]
    assert live.ended
    ((session, address, request_id),) = world.signed_out
    assert (session.public_id, address) == (live.session.public_id, "127.0.0.1")
    assert f"X-Request-ID: {request_id}".encode() in world.sonar.heads[0]
    assert (await world.ask(get("/", f"Cookie: {cookie}"))).status == 401


async def test_a_password_users_sign_out_is_sonars_alone(world: World) -> None:
    reply = await world.ask(get("/logout", "Cookie: SONARSESSID=1"))
    assert cookies_set(reply.raw) == []
    assert world.signed_out == []


@pytest.mark.parametrize("who", ["signed in", "a password user"])
async def test_sonars_sign_out_takes_away_what_is_half_signed_in(who: str, world: World) -> None:
    """Whoever comes next to this computer goes on with nothing that somebody else began."""
    own = (await world.sign_in())[0] if who == "signed in" else "SONARSESSID=1"
    unfinished = ("sonar_tx_AAAAAAAAAAAAAAA0", "sonar_tx_BBBBBBBBBBBBBBB-", "sonar_tx_forms")
    others = ("sonar_tx_short", "sonar_tx_A\u00e9AAAAAAAAAAAAAA", "theme")
    cookies = "; ".join((own, *(f"{name}=x" for name in (*unfinished, *others))))

    assert cookies_set((await world.ask(get("/calls", f"Cookie: {cookies}"))).raw) == []
    reply = await world.ask(get("/logout", f"Cookie: {cookies}"))

    gone = {value.partition("=")[0] for value in cookies_set(reply.raw) if "Max-Age=0" in value}
    assert gone - {"sonar_sso", "SONARSESSID"} == set(unfinished)
    assert ("SONARSESSID" in gone) == (who == "signed in")


async def test_a_sign_out_that_the_store_did_not_hear_is_one_here(world: World) -> None:
    async def deaf(key: str) -> bool:
        raise SessionsUnavailable("deaf")

    cookie, _ = await world.sign_in()
    world.store.end = deaf  # type: ignore[method-assign]
    assert (await world.ask(get("/logout", f"Cookie: {cookie}"))).status == 200
    assert (await world.ask(get("/", f"Cookie: {cookie}"))).status == 401


async def test_sonar_that_asks_a_signed_in_person_to_sign_in(world: World) -> None:
    world.sonar.script = answering(
        b"HTTP/1.1 302 Found\r\nLocation: /login?return_to=/\r\nContent-Length: 0\r\n\r\n"
    )
    cookie, _ = await world.sign_in()
    page = await world.ask(get("/", f"Cookie: {cookie}", *NAVIGATION))
    assert page.status == 403
    assert b"upstream_refused" in page.body
    call = await world.ask(get("/", f"Cookie: {cookie}", "Accept: application/json"))
    assert call.json["error"] == "upstream_refused"
    # a password user's own session may well have ended
    assert (await world.ask(get("/", "Cookie: SONARSESSID=1"))).status == 302


async def test_a_sonar_that_believes_nobody_is_said_once_a_minute(world: World) -> None:
    """Everybody meets it, and nothing else would say so: with what Sonar has to be set up with."""
    world.sonar.script = answering(
        b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n"
    )
    cookie, _ = await world.sign_in()
    with capture_logs() as logs:
        for _ in range(3):
            assert (await world.ask(get("/", f"Cookie: {cookie}"))).status == 403
        world.clock.pass_by(61)
        assert (await world.ask(get("/", f"Cookie: {cookie}"))).status == 403
    said = [entry for entry in logs if entry["event"] == "identity_not_believed"]
    assert len(said) == 2
    assert said[0]["log_level"] == "warning"
    assert said[0]["issuer"] == "http://localhost:8080"
    assert said[0]["audience"] == "sonar"
    assert said[0]["jwks"] == "http://localhost:8080/sso/jwks.json"
    assert world.counters.rejected[Reason.UPSTREAM_REFUSED] == 4
    assert world.counters.upstream_errors == {}


async def test_locations_at_sonars_own_address(world: World) -> None:
    address = f"http://127.0.0.1:{world.sonar.port}"
    world.sonar.script = answering(
        f"HTTP/1.1 302 Found\r\nLocation: {address}/a?b\r\nContent-Length: 0\r\n\r\n".encode()
    )
    reply = await world.ask(get("/", "Cookie: SONARSESSID=1"))
    assert reply.headers["location"] == "http://localhost:8080/a?b"


# The session store is down.


async def test_without_the_store_password_users_go_on(world: World) -> None:
    async def down(key: str) -> None:
        raise SessionsUnavailable("down")

    cookie, live = await world.sign_in()
    world.sessions._cache.drop(live.session.key)
    world.store.load = down  # type: ignore[method-assign]
    signed_in = await world.ask(get("/", f"Cookie: {cookie}", *NAVIGATION))
    assert signed_in.status == 503
    assert signed_in.headers["retry-after"] == "10"
    assert b"sessions_unavailable" in signed_in.body
    assert world.counters.upstream_errors == {}  # what is not Sonar's is not counted as Sonar's
    password = await world.ask(get("/", f"Cookie: {cookie}; SONARSESSID=1"))
    public = await world.ask(get("/static/a.css", f"Cookie: {cookie}"))
    portal = await world.ask(get("/sso/login", f"Cookie: {cookie}"))
    assert [password.status, public.status, portal.status] == [200, 200, 200]
    assert not [head for head in world.sonar.heads if b"X-Sonar" in head]


# The portal.


async def test_the_portal_gets_what_it_needs(world: World) -> None:
    cookie, _ = await world.sign_in()
    reply = await world.ask(get("/sso/settings?a=b", f"Cookie: {cookie}; SONARSESSID=1"))
    assert reply.status == 200
    assert world.sonar.heads == []
    (head,) = world.portal.heads
    assert head.startswith(b"GET /sso/settings?a=b HTTP/1.1\r\nHost: sonar.test\r\n")
    assert f"Cookie: {cookie}; SONARSESSID=1\r\n".encode() in head
    assert b"X-Forwarded-For: 127.0.0.1\r\n" in head
    assert b"X-Forwarded-Proto: http\r\n" in head
    assert b"X-Request-ID: " in head
    assert b"X-Sonar" not in head
    assert world.lines_of(1)[0]["kind"] == "portal"


async def test_the_portals_cookies_are_not_sealed(world: World) -> None:
    world.portal.script = answering(
        b"HTTP/1.1 200 OK\r\nSet-Cookie: SONARSESSID=; Max-Age=0\r\nContent-Length: 0\r\n\r\n"
    )
    cookie, _ = await world.sign_in()
    reply = await world.ask(get("/sso/logout", f"Cookie: {cookie}"))
    assert cookies_set(reply.raw) == ["SONARSESSID=; Max-Age=0"]


# Whose request it is.


async def test_trusted_proxies(make_world: MakeWorld) -> None:
    world = await make_world(server={"trusted_proxies": ["127.0.0.0/8"]})
    await world.ask(
        get(
            "/", "Cookie: SONARSESSID=1", "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https",
            "X-Forwarded-Host: portal.example", "X-Request-ID: from-the-proxy",
        )
    )  # fmt: skip
    (head,) = world.sonar.heads
    for line in (b"X-Forwarded-For: 192.0.2.7", b"X-Forwarded-Proto: https",
                 b"X-Forwarded-Host: portal.example", b"X-Request-ID: from-the-proxy"):  # fmt: skip
        assert head.count(line + b"\r\n") == 1
    (logged,) = world.lines_of(1)
    assert (logged["client"], logged["request_id"]) == ("192.0.2.7", "from-the-proxy")


async def test_every_request_has_an_id_of_its_own(world: World) -> None:
    for _ in range(3):
        await world.ask(get("/", "Cookie: SONARSESSID=1"))
    assert len({line["request_id"] for line in world.lines_of(3)}) == 3


async def test_people_are_never_mixed_up(world: World) -> None:
    """Many people at once, over connections shared towards Sonar: each gets only his own."""

    async def script(call: Call) -> None:
        while True:
            head = await call.head()
            who = head.partition(b"X-Tell: ")[2].partition(b"\r\n")[0]
            sid = head.partition(b"SONARSESSID=")[2].partition(b"\r\n")[0]
            body = who + b" " + sid
            await asyncio.sleep(0)
            await call.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    world.sonar.script = script

    async def person(number: int) -> None:
        cookie, live = await world.sign_in()
        sealed = live.seal("SONARSESSID", f"s{number}")
        browser = await world.browser()
        for turn in range(20):
            tell = f"{number}-{turn}"
            await browser.say(
                get("/", f"Cookie: {cookie}; SONARSESSID={sealed}", f"X-Tell: {tell}")
            )
            assert (await browser.reply()).body == f"{tell} s{number}".encode()
            if turn % 7 == number % 7:
                browser.writer.transport.abort()
                browser = await world.browser()

    await asyncio.gather(*(person(number) for number in range(20)))


async def test_activity_is_noted(world: World) -> None:
    cookie, live = await world.sign_in()
    assert isinstance(live, Live)
    live.session = replace(live.session, seen=time.time() - 120)
    await world.ask(get("/", f"Cookie: {cookie}"))
    assert live.session.seen > time.time() - 10


async def test_counters(world: World) -> None:
    await world.ask(get("/", "Cookie: SONARSESSID=1"))
    await world.ask(get("/"))
    await world.ask(b"GARBAGE\r\n\r\n")
    counted = {pair: count for pair, count in world.counters.requests.items() if count}
    assert counted == {("password", 2): 1, ("sign_in", 4): 1, ("refused", 4): 1}
    assert world.counters.rejected == {"not_signed_in": 1, "request_malformed": 1}
    await until(lambda: world.counters.connections_open == 0)


async def test_nothing_secret_is_logged(world: World) -> None:
    cookie, _ = await world.sign_in()
    await world.ask(
        get("/a;jsessionid=s3cret?code=s3cret", f"Cookie: {cookie}", "Authorization: s3cret")
    )
    world.lines_of(1)
    text = world.log.read_text()
    assert "s3cret" not in text
    assert cookie.partition("=")[2] not in text


async def test_ok_is_what_sonar_says(world: World) -> None:
    reply = await world.ask(get("/", "Cookie: SONARSESSID=1"))
    assert reply.raw + reply.body == OK


@pytest.mark.parametrize("signed_in", [True, False])
async def test_a_session_cookie_that_would_outlive_the_sign_out_is_said_once(
    world: World, signed_in: bool
) -> None:
    cookie = (await world.sign_in())[0] if signed_in else "SONARSESSID=own"
    world.sonar.script = answering(
        b"HTTP/1.1 200 OK\r\nSet-Cookie: SONARSESSID=hunter2\r\n"
        b"Set-Cookie: SONARSESSID=hunter3; Path=/\r\nContent-Length: 0\r\n\r\n"
    )
    with capture_logs() as logs:
        for path in ("/calls", "/app/calls", "/app/voicemail"):
            reply = await world.ask(get(path, f"Cookie: {cookie}"))
            assert len(cookies_set(reply.raw)) == 2
    said = [entry for entry in logs if entry["event"] == "session_cookie_elsewhere"]
    assert [(entry["name"], entry["path"], entry["domain"]) for entry in said] == [
        ("SONARSESSID", "/app", None)
    ]
    assert "hunter" not in str(logs)
