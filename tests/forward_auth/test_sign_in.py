"""A person behind each proxy: signs in, works, signs out; who prefers the password keeps it."""

import json
from time import time

import aiohttp
import pytest

from gateway.account.model import Link, News
from gateway.identity.model import IdentityKey
from tests.forward_auth.front import Front
from tests.journeys.browser import Page
from tests.journeys.world import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_from_a_sonar_url_to_sonar(front: Front) -> None:
    world = front.world
    async with world.browser() as browser:
        page = await browser.open("/voicemail?folder=new&q=a%26b%20c")
        assert (page.path, page.hops[0][0]) == ("/sso/login", 302), (
            page.hops,
            page.text[:300],
            dict(page.headers),
            world.said()[-800:],
        )
        page = await browser.click(page, "Sign in with Google")
        page = await world.pick(browser, page, "jo")
        assert (page.status, page.url) == (200, f"{world.origin}/voicemail?folder=new&q=a%26b%20c")
        assert "Signed in as <strong>Jo March</strong>" in page.text
        status, _headers, text = await browser.request("GET", "/api/v1/me")
        assert (status, json.loads(text)["username"]) == (200, "jmarch")
        # Past the gateway: the proxy took it to Sonar itself.
        direct = world.asked[-1]
        assert direct.path == "/api/v1/me"
        assert direct.headers["X-Sonar-Username"] == "jmarch"
        assert "sonar_sso" not in direct.headers.get("Cookie", "")
        page = await browser.open("/sso/logout")
        await browser.press(page, "Sign out")
        assert (await browser.request("GET", "/api/v1/me"))[0] == 401
        assert (await browser.open("/voicemail")).path == "/sso/login"


@pytest.mark.parametrize("front", ["nginx"], indirect=True)
async def test_who_comes_by_http_is_sent_to_where_https_is(front: Front) -> None:
    """Port and all. Of these files only nginx's answers http."""
    async with (
        aiohttp.ClientSession() as http,
        http.get(
            f"http://localhost:{front.plain_port}/voicemail?q=a%26b", allow_redirects=False
        ) as reply,
    ):
        assert reply.status == 308
        assert reply.headers["Location"] == f"{front.world.origin}/voicemail?q=a%26b"


async def test_sonars_cookie_under_single_sign_on_is_sealed_or_not_there(front: Front) -> None:
    """Sonar opens a session of its own for whoever it sees; it must end with the gateway's."""
    world = front.world
    async with world.browser() as browser:
        await world.google(browser, "hank", "/calls")
        assert (await browser.request("GET", "/calls"))[0] == 200
        assert "SONARSESSID" not in browser.cookies()
        # The profile goes through the gateway, which seals what Sonar sets.
        page = await browser.open("/profile")
        assert "/sso/settings" in page.text
        sealed = browser.cookies()["SONARSESSID"]
        assert sealed.startswith("~sonar~")
        # From here on Sonar has its session everywhere, opened.
        assert (await browser.request("GET", "/calls"))[0] == 200
        opened = world.asked[-1].cookies["SONARSESSID"]
        assert world.asked[-1].path == "/calls"
        assert not opened.startswith("~sonar~")
        await browser.press(await browser.open("/sso/logout"), "Sign out")
        for value in (sealed, f"{sealed}x"):
            reply = await front.get("/api/v1/me", f"Cookie: SONARSESSID={value}")
            assert reply.status == 401


async def test_password_users_go_on_as_ever(front: Front) -> None:
    world = front.world
    async with world.browser() as browser:
        page = await world.password(browser, "jmarch", "march-hare")
        assert "Signed in as <strong>Jo March</strong>" in page.text
        assert not browser.cookies()["SONARSESSID"].startswith("~sonar~")
        page = await browser.open("/voicemail")
        assert page.status == 200
        assert "X-Sonar-Username" not in world.asked[-1].headers
        assert "X-Sonar-Assertion" not in world.asked[-1].headers
        form = aiohttp.FormData()
        form.add_field("recording", bytes(300_000), filename="a.wav", content_type="audio/wav")
        assert (await browser.request("POST", "/voicemail", data=form))[0] == 303
        page = await browser.click(page, "Sign out")
        assert (await browser.open("/voicemail")).path == "/sso/login"


async def test_a_password_user_hears_of_a_new_link(front: Front) -> None:
    world = front.world
    somebody = Link(IdentityKey("https://idp.example", "1"), "5001", "google", "", time(), None)
    await world.links.add(somebody, News("kokafor", "192.0.2.1"))
    pages: list[Page] = []
    async with world.browser() as browser:

        async def is_told() -> bool:
            browser.jar.clear()
            pages.append(await world.password(browser, "kokafor", "oak-forest"))
            return pages[-1].path == "/sso/notices"

        await until(is_told, world.said)
        page = await browser.press(pages[-1], "Yes, that is fine")
        assert "Signed in as <strong>Kim Okafor</strong>" in page.text
        browser.jar.clear(lambda cookie: cookie.key == "SONARSESSID")
        assert (await world.password(browser, "kokafor", "oak-forest")).path == "/"


async def test_sonars_sign_out_ends_the_gateway_session(front: Front) -> None:
    world = front.world
    async with world.browser() as browser:
        page = await world.google(browser, "jo", "/voicemail")
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies().items())
        await browser.click(page, "Sign out")
        assert (await front.get("/api/v1/me", f"Cookie: {cookies}")).status == 401


async def test_sonars_sign_in_page_has_the_buttons(front: Front) -> None:
    world = front.world
    async with world.browser() as browser:
        page = await browser.open("/login?return_to=/voicemail%3Ffolder%3Dnew")
        page = await browser.click(page, "Google")
        page = await world.pick(browser, page, "jo")
        assert page.url == f"{world.origin}/voicemail?folder=new"


async def test_an_upload_and_a_download(front: Front) -> None:
    world = front.world
    async with world.browser() as browser:
        await world.google(browser, "jo", "/voicemail")
        form = aiohttp.FormData()
        content = bytes(range(256)) * 4096
        form.add_field("recording", content, filename="a.wav", content_type="audio/wav")
        assert (await browser.request("POST", "/voicemail", data=form))[0] == 303
        page = await browser.open("/voicemail")
        async with browser.get(page.link("Download"), headers={"Range": "bytes=4-9"}) as reply:
            assert (reply.status, len(await reply.read())) == (206, 6)


async def test_a_websocket_ends_with_its_session(front: Front) -> None:
    world = front.world
    async with world.browser() as browser:
        await world.google(browser, "jo")
        async with browser.websocket("/calls/live") as calls:
            assert (await calls.receive(timeout=10)).data
            await browser.press(await browser.open("/sso/logout"), "Sign out")
            while not calls.closed:
                await calls.receive(timeout=5)


async def test_a_policy_is_in_force_at_once(front: Front) -> None:
    world = front.world
    async with world.browser() as browser:
        await world.google(browser, "kim")
        assert (await browser.request("GET", "/api/v1/me"))[0] == 200
