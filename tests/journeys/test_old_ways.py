"""What worked before the gateway works as before: passwords, public pages, Sonar's own pages."""

import io

import aiohttp
import pytest

from gateway.explanations import EXPLANATIONS
from gateway.reasons import Reason
from tests.journeys.browser import NAVIGATION, Browser, Page
from tests.journeys.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_password_user_passes_untouched(world: World) -> None:
    async with world.browser() as browser:
        page = await world.password(browser, "jmarch", "march-hare")
        assert "Signed in as <strong>Jo March</strong>" in page.text
        value = browser.cookies()["SONARSESSID"]
        assert "sealed" not in value
        page = await browser.open("/voicemail")
        assert page.status == 200
        page = await browser.click(page, "Sign out")
        assert (await browser.open("/voicemail")).path == "/sso/login"


async def test_sonars_sign_in_page_has_the_buttons_and_keeps_the_way_back(world: World) -> None:
    async with world.browser() as browser:
        page = await browser.open("/login?return_to=/voicemail%3Ffolder%3Dnew")
        assert "Sign in to Sonar" in page.text
        page = await browser.click(page, "Google")
        page = await world.pick(browser, page, "jo")
        assert page.url == f"{world.origin}/voicemail?folder=new"


async def test_way_to_the_password_keeps_the_deep_link(world: World) -> None:
    async with world.browser() as browser:
        page = await browser.open("/calls?page=2")
        page = await browser.click(page, "Sonar password")
        assert page.path == "/login"
        page = await browser.press(page, "Sign in", username="jmarch", password="march-hare")
        assert page.url == f"{world.origin}/calls?page=2"


async def test_public_files_need_nobody(world: World) -> None:
    async with world.browser() as browser:
        status, _headers, text = await browser.request("GET", "/static/sonar.css")
        assert (status, "body" in text) == (200, True)


async def test_api_gets_401_and_no_redirect(world: World) -> None:
    async with world.browser() as browser:
        for headers in (
            {"Accept": "application/json"},
            {"X-Requested-With": "XMLHttpRequest", "Accept": "text/html"},
            {"Sec-Fetch-Mode": "cors", "Accept": "*/*"},
        ):
            status, reply, text = await browser.request("GET", "/api/v1/calls", headers=headers)
            assert (status, reply.get("Location")) == (401, None)
            assert "not_signed_in" in text


async def test_legacy_session_born_under_sso_dies_with_it(world: World) -> None:
    async with world.browser() as browser:
        await world.google(browser, "jo")
        sealed = browser.cookies()["SONARSESSID"]
        page = await browser.open("/sso/logout")
        await browser.press(page, "Sign out")
        assert "SONARSESSID" not in browser.cookies()
        status, _headers, _text = await browser.request(
            "GET", "/api/v1/me", headers={"Cookie": f"SONARSESSID={sealed}"}
        )
        assert status == 401


async def test_sonars_own_sign_out_ends_the_gateway_session(world: World) -> None:
    async with world.browser() as browser:
        page = await world.google(browser, "jo", "/voicemail")
        cookies = browser.cookies()
        await browser.click(page, "Sign out")
        assert (await browser.open("/voicemail")).path == "/sso/login"
        header = "; ".join(f"{name}={value}" for name, value in cookies.items())
        status, _headers, _text = await browser.request(
            "GET", "/api/v1/me", headers={"Cookie": header}
        )
        assert status == 401


async def another(world: World, browser: Browser, person: str) -> Page:
    """Back from Google as somebody else than the one it knows, who signs out there first."""
    page = await browser.open("/sso/login/google?select_account=1")
    page = await world.pick(browser, page, person)
    return page if page.url.startswith(world.origin) else await browser.press(page, "Continue")


@pytest.mark.parametrize("who", ["signed in", "a password user"])
async def test_sonars_own_sign_out_ends_what_is_half_signed_in(who: str, world: World) -> None:
    """In other tabs: one at the provider, one that asks which account, one for a password."""
    async with world.browser() as browser:
        if who == "signed in":
            await world.google(browser, "jo")
        else:
            await world.password(browser, "jmarch", "march-hare")
        there = await browser.click(await browser.open("/sso/login?switch=1"), "Microsoft")
        chooser = await another(world, browser, "sam")
        linking = await another(world, browser, "vera")
        begun = {name for name in browser.cookies() if name.startswith("sonar_tx_")}
        assert len(begun) == 3

        await browser.click(await browser.open("/calls"), "Sign out")

        assert not begun & set(browser.cookies())
        for page in (
            await browser.press(there, "Mara Jensen"),
            await browser.press(chooser, "Sam Rivera"),
            await browser.press(linking, "Link", username="vnovak", password="nova-scotia"),
        ):
            assert EXPLANATIONS[Reason.TRANSACTION_UNKNOWN].title in page.text, page.url
        assert (await browser.request("GET", "/sso/me"))[0] == 401


async def test_voicemail_goes_up_and_comes_down(world: World) -> None:
    async with world.browser() as browser:
        await world.google(browser, "jo", "/voicemail")
        recording = bytes(range(256)) * 4096
        form = aiohttp.FormData()
        form.add_field("recording", recording, filename="greeting.wav", content_type="audio/wav")
        status, _headers, _text = await browser.request("POST", "/voicemail", data=form)
        assert status in {200, 302, 303}
        page = await browser.open("/voicemail")
        async with browser.get(page.link("Download")) as reply:
            audio = await reply.read()
        assert (reply.status, len(audio) > 0) == (200, True)
        async with browser.get(page.link("Download"), headers={"Range": "bytes=4-9"}) as reply:
            assert (reply.status, await reply.read()) == (206, audio[4:10])


async def test_a_form_that_met_no_session_is_sent_after_the_sign_in(world: World) -> None:
    async with world.browser() as browser:
        page = await world.google(browser, "jo", "/calls")
        await world.end_sessions()
        page = await browser.press(page, "Save greeting", greeting="back at nine")
        assert "We keep it for 15 minutes" in page.text
        page = await browser.click(page, "Google")
        page = await world.pick(browser, page, "jo")
        assert "Nothing has been sent yet" in page.text
        asked = len(world.asked)
        page = await browser.press(page, "Send it now")
        assert page.url == f"{world.origin}/calls"
        assert [(each.method, each.path_qs) for each in world.asked[asked:]] == [
            ("POST", "/calls/greeting"),
            ("GET", "/calls"),
        ]
        assert "back at nine" in page.text
        assert "greeting=" not in world.said()
        assert "back+at+nine" not in (world.folder / "access.log").read_text()


async def test_a_recording_that_met_no_session_is_said_to_be_lost(world: World) -> None:
    async with world.browser() as browser:
        await world.google(browser, "jo", "/voicemail")
        await world.end_sessions()
        form = aiohttp.FormData()
        recording = io.BytesIO(bytes(range(256)) * 40_000)  # ten megabytes
        form.add_field("recording", recording, filename="greeting.wav", content_type="audio/wav")
        asked = len(world.asked)
        headers = {**NAVIGATION, "Origin": world.origin}
        status, _headers, text = await browser.request(
            "POST", "/voicemail", data=form, headers=headers
        )
        assert status == 401
        assert "Your form was not sent" in text
        assert "a file in it" in text
        assert world.asked[asked:] == []
