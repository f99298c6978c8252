"""A Sonar that is hostile, or says what somebody who found a hole in it wants."""

import pytest

from tests.edge.world import Call, World, get


async def reply_to(world: World, sonar: bytes, *headers: str) -> bytes:
    """What the browser gets when Sonar says this and closes."""

    async def script(call: Call) -> None:
        await call.head()
        await call.say(sonar)

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(get("/x", *headers, "Connection: close"))
    return await browser.eof()


@pytest.mark.parametrize("status", [b"099", b"000", b"600", b"999"])
@pytest.mark.parametrize("signed_in", [True, False])
async def test_a_status_that_is_none_is_refused(
    world: World, status: bytes, signed_in: bool
) -> None:
    """What is below 100 would pass as interim, and its body as the head of the next reply."""
    cookie = (await world.sign_in())[0] if signed_in else "SONARSESSID=own"
    evil = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=evil\r\nContent-Length: 0\r\n\r\n"
    said = b"HTTP/1.1 %b X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(evil), evil)
    got = await reply_to(world, said, f"Cookie: {cookie}")
    assert got.startswith(b"HTTP/1.1 502 ")
    assert b"evil" not in got


@pytest.mark.parametrize(
    "cookie",
    [
        "sonar_sso=attackers",
        " sonar_sso = attackers; Path=/",
        "=sonar_sso=attackers",
        "sonar_tx_AAAAAAAAAAAAAAAA=attackers",
        "=sonar_tx_AAAAAAAAAAAAAAAA=attackers",
    ],
)
@pytest.mark.parametrize("signed_in", [True, False])
async def test_sonar_does_not_set_our_cookies(world: World, cookie: str, signed_in: bool) -> None:
    """Who can have Sonar send a header of their own would put their session into the browser."""
    own = (await world.sign_in())[0] if signed_in else "SONARSESSID=own"
    said = f"HTTP/1.1 200 OK\r\nSet-Cookie: {cookie}\r\nContent-Length: 2\r\n\r\nok"
    got = await reply_to(world, said.encode(), f"Cookie: {own}")
    assert got.startswith(b"HTTP/1.1 200 ")
    assert b"attackers" not in got


async def test_a_cookie_without_a_name_is_no_way_round_the_seal(world: World) -> None:
    """Browsers send `=SONARSESSID=x` back as `SONARSESSID=x` (RFC 6265bis section 5.8.3)."""
    own = (await world.sign_in())[0]
    said = (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: =SONARSESSID=bare; Path=/\r\nContent-Length: 2\r\n\r\nok"
    )
    assert b"bare" not in await reply_to(world, said, f"Cookie: {own}")
    assert b"bare" in await reply_to(world, said, "Cookie: SONARSESSID=own")
