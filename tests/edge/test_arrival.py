"""A sign-in on Sonar's own page: who is sent to what they have to hear, and who sees no change."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from gateway.edge import arrival
from gateway.edge.arrival import read_typed
from gateway.errors import LinksUnavailable
from gateway.secret import Secret
from gateway.settings.upstream import LoginFields
from tests.edge.conftest import MakeWorld
from tests.edge.world import NAVIGATION, Call, Reply, Script, World
from tests.session.samples import until

FORM = b"username=jo&password=march+hare&return_to=%2Fcalls"
SIGNED_IN = (
    b"HTTP/1.1 302 Found\r\nLocation: /calls?page=2\r\nSet-Cookie: SONARSESSID=new; Path=/\r\n"
    b"Set-Cookie: theme=dark\r\nX-Sonar: 1\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 5\r\n\r\nmoved"
)
NEWS = "sonar_tx_reader=sealed; Path=/; HttpOnly; SameSite=Lax"


@dataclass
class Herald:
    """Knows news for `jo`, whose password it knows; `asked`: how often it was looked at closely."""

    says: BaseException | str | None = NEWS
    password: str = "march hare"
    hangs: bool = False
    go: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[tuple[str, Secret, str]] = field(default_factory=list)

    def expects(self, username: str) -> bool:
        return username == "jo"

    async def greet(self, username: str, password: Secret, cookie_header: str) -> str | None:
        self.asked.append((username, password, cookie_header))
        if self.hangs:
            with suppress(asyncio.CancelledError):
                await self.go.wait()
            # What waits for a database is not cancelled at once.
            await self.go.wait()
        if isinstance(self.says, BaseException):
            raise self.says
        return self.says if password == Secret(self.password) else None


def answering(reply: bytes) -> Script:
    """`reply` to each form."""

    async def script(call: Call) -> None:
        while True:
            length = Reply.of(b"HTTP/1.1 0 " + await call.head()).headers["content-length"]
            await call.body(int(length))
            await call.say(reply)

    return script


def post(form: bytes = FORM, *more: str, path: str = "/login", headers: bool = True) -> bytes:
    usual = (*NAVIGATION, "Content-Type: application/x-www-form-urlencoded") if headers else ()
    lines = (f"POST {path} HTTP/1.1", "Host: localhost:8080", *usual, *more)
    return "\r\n".join((*lines, f"Content-Length: {len(form)}", "", "")).encode() + form


async def sign_in(world: World, reply: bytes = SIGNED_IN, request: bytes | None = None) -> Reply:
    """What the browser gets."""
    world.sonar.script = answering(reply)
    return await world.ask(post() if request is None else request)


def cookies(reply: Reply) -> list[str]:
    lines = reply.raw.decode("latin-1").split("\r\n")
    return [line.partition(": ")[2] for line in lines if line.lower().startswith("set-cookie: ")]


@pytest.fixture
def herald(world: World) -> Herald:
    world.herald = made = Herald()
    return made


async def test_who_has_news_hears_it_and_goes_on_to_where_sonar_led(
    world: World, herald: Herald
) -> None:
    reply = await sign_in(world, request=post(FORM, "Cookie: a=b; sonar_tx_reader=old"))
    assert (reply.status, reply.body) == (302, b"")
    assert reply.headers["location"] == "/sso/notices?next=/calls%3Fpage%3D2"
    assert cookies(reply) == ["SONARSESSID=new; Path=/", "theme=dark", NEWS]
    assert reply.headers["x-sonar"] == "1"
    assert "content-type" not in reply.headers
    cookies_then = "a=b; sonar_tx_reader=old; SONARSESSID=new"
    assert herald.asked == [("jo", Secret("march hare"), cookies_then)]
    seen = bytes(world.sonar.calls[0].seen)
    assert seen.endswith(FORM), "Sonar gets the form as it is"
    assert b"sonar_tx_reader" not in seen


async def test_a_connection_serves_on(world: World, herald: Herald) -> None:
    world.sonar.script = answering(SIGNED_IN)
    browser = await world.browser()
    for count in range(1, 4):
        await browser.say(post())
        assert (await browser.reply()).headers["location"].startswith("/sso/notices")
        assert len(herald.asked) == count
    assert len(world.sonar.calls) == 1, "nor does one to Sonar have to be made anew"
    assert [line["status"] for line in world.lines_of(3)] == [302] * 3


async def unchanged(world: World, reply: bytes = SIGNED_IN, request: bytes | None = None) -> bool:
    """Whether the browser gets exactly what it gets where nobody knows any news."""
    told = await sign_in(world, reply, request)
    herald, world.herald = world.herald, None
    untold = await sign_in(world, reply, request)
    world.herald = herald

    def without_id(each: Reply) -> tuple[list[bytes], bytes]:
        lines = each.raw.split(b"\r\n")
        return [line for line in lines if not line.startswith(b"X-Request-ID")], each.body

    return without_id(told) == without_id(untold)


async def test_whoever_has_no_news_sees_no_change(world: World, herald: Herald) -> None:
    herald.says = None
    assert await unchanged(world)
    assert len(herald.asked) == 1
    assert await unchanged(world, request=post(FORM.replace(b"=jo", b"=ann")))
    assert len(herald.asked) == 1, "known from memory"


async def test_a_wrong_password_that_looks_like_a_right_one(world: World, herald: Herald) -> None:
    """Of a Sonar that sends everybody away from its sign-in page, with a session."""
    assert await unchanged(world, request=post(FORM.replace(b"march", b"wrong")))
    assert len(herald.asked) == 1


SENT_AWAY = b"HTTP/1.1 %b\r\n%bSet-Cookie: SONARSESSID=x\r\nContent-Length: 0\r\n\r\n"
NOT_LET_IN = {
    "the form once more": SENT_AWAY % (b"200 OK", b"Content-Type: text/html\r\n"),
    "forbidden": SENT_AWAY % (b"403 Forbidden", b""),
    "back to the sign-in page": SENT_AWAY % (b"302 Found", b"Location: /login?wrong=1\r\n"),
    "back there, its session in the path": SENT_AWAY
    % (b"303 See Other", b"Location: login;jsessionid=1\r\n"),
    "redirected with its form": SENT_AWAY % (b"307 Temporary Redirect", b"Location: /in\r\n"),
    "to another host": SENT_AWAY % (b"302 Found", b"Location: https://other.example/\r\n"),
    "to no place": SENT_AWAY % (b"302 Found", b"Location: http://[\r\n"),
    "nowhere": SENT_AWAY % (b"302 Found", b""),
    "without a session": b"HTTP/1.1 302 Found\r\nLocation: /\r\nSet-Cookie: a=b\r\n"
    b"Content-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("reply", NOT_LET_IN.values(), ids=NOT_LET_IN)
async def test_whom_sonar_does_not_let_in_sees_no_change(
    world: World, herald: Herald, reply: bytes
) -> None:
    assert await unchanged(world, reply)
    assert herald.asked == []


NO_SIGN_IN = {
    "a script's": post(FORM, "Content-Type: application/x-www-form-urlencoded", headers=False),
    "a fetch": post(FORM).replace(b"navigate", b"cors"),
    "another page's": post(path="/static/login"),
    "not a form": post().replace(b"x-www-form-urlencoded", b"json"),
    "a form twice": post(FORM, "Content-Type: application/x-www-form-urlencoded"),
    "a large one": post(FORM + b"&filled=" + b"x" * 16384),
    "two usernames": post(b"username=ann&" + FORM),
    "two passwords": post(FORM + b"&password=other"),
    "no password": post(b"username=jo"),
    "no username": post(b"password=march+hare"),
    "an empty username": post(b"username=+&password=march+hare"),
}


@pytest.mark.parametrize("request_", NO_SIGN_IN.values(), ids=NO_SIGN_IN)
async def test_what_is_no_sign_in_of_a_person_sees_no_change(
    world: World, herald: Herald, request_: bytes
) -> None:
    assert await unchanged(world, request=request_)
    assert herald.asked == []


async def test_who_is_signed_in_already_was_told_then(world: World, herald: Herald) -> None:
    cookie, _ = await world.sign_in()
    assert (await sign_in(world, request=post(FORM, f"Cookie: {cookie}"))).headers[
        "location"
    ] == "/calls?page=2"
    assert herald.asked == []


async def test_a_session_that_sonar_does_not_renew(world: World, herald: Herald) -> None:
    reply = b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"
    request = post(FORM, "Cookie: SONARSESSID=1")
    assert (await sign_in(world, reply, request)).headers["location"] == "/sso/notices?next=/"
    assert [cookies for _, _, cookies in herald.asked] == ["SONARSESSID=1"]


async def test_a_session_that_sonar_renews_is_the_new_one(world: World, herald: Herald) -> None:
    await sign_in(world, request=post(FORM, "Cookie: SONARSESSID=1; a=b;; SONARSESSID=0"))
    assert [cookies for _, _, cookies in herald.asked] == ["a=b; SONARSESSID=new"]


PLACES = {
    b"/calls#newest": "/calls",
    b"//evil.example/": None,
    b"/\\evil.example/": "/",
    b"calls": "/calls",
    b"http://localhost:8080/a?b=c%26d": "/a%3Fb%3Dc%2526d",
    b"/sso/logout": "/",
    b"/logout": "/",
    b"/%2e%2e/x": "/",
}


@pytest.mark.parametrize(("place", "next_path"), PLACES.items())
async def test_the_way_on_is_a_place_of_our_own(
    world: World, herald: Herald, place: bytes, next_path: str | None
) -> None:
    reply = await sign_in(world, SIGNED_IN.replace(b"/calls?page=2", place))
    expected = None if next_path is None else f"/sso/notices?next={next_path}"
    location = reply.headers["location"]
    assert location == (expected or place.decode())


async def test_sonars_own_address_in_its_redirect(world: World, herald: Herald) -> None:
    inside = f"http://127.0.0.1:{world.sonar.port}/calls".encode()
    reply = await sign_in(world, SIGNED_IN.replace(b"/calls", inside))
    assert reply.headers["location"] == "/sso/notices?next=/calls%3Fpage%3D2"


@pytest.mark.parametrize("error", [LinksUnavailable("gone"), TimeoutError(), RuntimeError("bug")])
async def test_whatever_goes_wrong_sonars_reply_is_given(
    world: World, herald: Herald, error: BaseException
) -> None:
    herald.says = error
    with capture_logs() as logs:
        assert await unchanged(world)
    assert len(herald.asked) == 1
    assert [each["event"] for each in logs] == ["notice_not_told"]
    assert "march" not in f"{logs}"


async def test_nobody_waits_for_long(
    world: World, herald: Herald, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrival, "_PATIENCE", 0.05)
    herald.hangs = True
    with capture_logs() as logs:
        assert await unchanged(world)
    assert [each["event"] for each in logs] == ["notice_not_told"]
    herald.go.set()


async def test_a_long_redirect_goes_on_as_it_is(world: World, herald: Herald) -> None:
    body = b"x" * 200_000
    reply = SIGNED_IN.replace(b"Content-Length: 5\r\n\r\nmoved", b"Content-Length: 200000\r\n\r\n")
    assert await unchanged(world, reply + body)
    assert herald.asked == []


async def test_a_reply_in_pieces_and_one_that_ends_with_its_connection(
    world: World, herald: Herald
) -> None:
    async def script(call: Call) -> None:
        await call.head()
        await call.body(len(FORM))
        head, _, _ = SIGNED_IN.partition(b"Content-Length")
        for byte in b"HTTP/1.1 103 Early Hints\r\n\r\n" + head + b"\r\nmo":
            await call.say(bytes([byte]))
        await call.say(b"ved")

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(post())
    assert (await browser.head()).startswith(b"HTTP/1.1 103 ")
    reply = await browser.reply()
    assert reply.headers["location"] == "/sso/notices?next=/calls%3Fpage%3D2"
    assert reply.body == b""


async def test_a_reply_that_breaks_off_is_no_whole_one(world: World, herald: Herald) -> None:
    async def script(call: Call) -> None:
        await call.head()
        await call.body(len(FORM))
        await call.say(SIGNED_IN[:-2])
        call.cut()

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(post())
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await browser.head()
    assert herald.asked == []


@pytest.mark.parametrize("drips", [False, True])
async def test_a_redirect_that_does_not_end_is_not_waited_for(
    world: World, herald: Herald, drips: bool
) -> None:
    """Of a Sonar that works on behind its redirect: browsers follow one when its head is there."""
    given = asyncio.Event()
    head = SIGNED_IN.replace(b"Content-Length: 5\r\n\r\nmoved", b"Content-Length: 9000\r\n\r\n")

    async def script(call: Call) -> None:
        await call.head()
        await call.body(len(FORM))
        await call.say(head)
        while not given.is_set():
            await call.say(b"." if drips else b"")
            world.clock.pass_by(0.2)
            await asyncio.sleep(0.01)
        call.cut()

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(post())
    reply = Reply.of(await browser.head())
    given.set()
    assert (reply.status, reply.headers["location"]) == (302, "/calls?page=2")
    assert cookies(reply) == ["SONARSESSID=new; Path=/", "theme=dark"]
    assert herald.asked == []
    with suppress(ConnectionError):
        await browser.eof()


async def test_what_is_sent_ahead_waits_for_what_is_withheld(world: World, herald: Herald) -> None:
    """Replies come in order, each for its own request, whoever is told what."""
    herald.hangs = True
    world.sonar.script = answering(SIGNED_IN)
    browser = await world.browser()
    other = post(FORM.replace(b"=jo", b"=ann"))
    await browser.say(post() + other + post(b"username=jo&password=wrong"))
    await until(lambda: herald.asked)
    assert len(world.sonar.calls) == 1
    assert bytes(world.sonar.calls[0].seen).count(b"POST ") == 1
    herald.hangs = False
    herald.go.set()
    places = [(await browser.reply()).headers["location"] for _ in range(3)]
    assert places == ["/sso/notices?next=/calls%3Fpage%3D2", "/calls?page=2", "/calls?page=2"]
    assert [typed[1] for typed in herald.asked] == [Secret("march hare"), Secret("wrong")]


async def test_a_browser_that_leaves_meanwhile(world: World, herald: Herald) -> None:
    herald.hangs = True
    world.sonar.script = answering(SIGNED_IN)
    browser = await world.browser()
    await browser.say(post())
    await until(lambda: herald.asked)
    browser.close()
    await until(lambda: world.counters.connections_open == 0)
    herald.go.set()
    assert [line["status"] for line in world.lines_of(1)] == [302]


async def test_an_old_browser(world: World, herald: Herald) -> None:
    reply = await sign_in(world, request=post().replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert reply.headers["location"].startswith("/sso/notices")
    assert "connection" not in reply.headers or reply.headers["connection"] == "close"


async def test_fields_of_other_names(make_world: MakeWorld) -> None:
    world = await make_world(
        upstream={"login_fields": {"username": "user[name]", "password": "user[secret]"}}
    )
    world.herald = herald = Herald()
    form = b"user%5Bname%5D=jo&user%5Bsecret%5D=march%20hare&username=ann"
    assert (await sign_in(world, request=post(form))).headers["location"].startswith("/sso/")
    assert await unchanged(world, request=post(FORM))
    assert len(herald.asked) == 1


@pytest.mark.parametrize(
    ("form", "typed"),
    [
        (b"username=jo&password=x", ("jo", "x")),
        (b"password=+x+&a&&=&username=+jo+", ("jo", " x ")),
        (b"username=J%C3%B6&password=%F0%9F%94%91", ("Jö", "🔑")),
        (b"username=J%F6&password=%80", ("Jö", "€")),
        (b"username=jo&password=", ("jo", "")),
        (b"username=jo%26password%3Dx", None),
        (b"Username=jo&password=x", None),
        (b"username=jo&password=x&usern%61me=ann", None),
        (b"username&password", None),
        (b"", None),
    ],
)
def test_what_is_typed(form: bytes, typed: tuple[str, str] | None) -> None:
    found = read_typed(form, LoginFields())
    assert found == (None if typed is None else (typed[0], Secret(typed[1])))
