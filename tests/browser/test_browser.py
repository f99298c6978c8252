"""Signing in as people do it: Chromium, the gateway, and the stand-ins for all around it."""

import asyncio
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.async_api import FilePayload, Page, expect

from tests.browser.stage import PATIENCE, Stage, box_of, fits_a_phone, pick, picture, press

# One browser and one system are enough, also where several processes share the tests.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("browser")]

DEEP_LINK = "/voicemail?folder=new&q=a%26b%20c"


async def test_google_by_keyboard_from_a_sonar_address_to_its_page(
    stage: Stage, tmp_path: Path
) -> None:
    async with stage.visitor() as page:
        await page.goto(DEEP_LINK)
        await expect(page.get_by_role("heading", name="Sign in to Sonar")).to_be_visible()
        assert page.url.startswith(stage.at("/sso/login?next="))
        await fits_a_phone(page)
        await picture(page, "gateway-sign-in", tmp_path)
        await press(page, page.get_by_role("link", name="Sign in with Google"))
        await press(page, page.get_by_role("button", name="Jo March"))
        await expect(page.get_by_role("heading", name="Voicemail")).to_be_visible()
        assert page.url == stage.at(DEEP_LINK)
        await expect(page.locator("#whoami")).to_contain_text("Jo March")
        await a_download_works(page)
        await calls_come_by_themselves(page)


async def a_download_works(page: Page) -> None:
    async with page.expect_download() as expected:
        await page.get_by_role("link", name="Download").first.click()
    download = await expected.value
    assert download.suggested_filename.startswith("voicemail-")
    assert (await download.path()).read_bytes().startswith(b"RIFF")


async def calls_come_by_themselves(page: Page) -> None:
    """Nobody watched this account before, so only the WebSocket can bring a call under way."""
    await page.get_by_role("link", name="Calls", exact=True).click()
    await expect(page.locator("#live")).to_have_text("live")
    await expect(page.locator("tr.ringing, tr.talking")).to_have_count(1)


async def test_sonars_own_pages_have_their_parts(stage: Stage, tmp_path: Path) -> None:
    async with stage.visitor() as page:
        await page.goto("/login?return_to=%2Fprofile")
        google = page.get_by_role("link", name="Sign in with Google")
        await expect(google).to_be_visible()
        await expect(page.get_by_role("link", name="Sign in with Microsoft")).to_be_visible()
        await is_within(page, ".sonar-sso", "#sign-in")
        await picture(page, "sign-in", tmp_path)
        await google.click()
        await pick(page, "Jo March")
        await expect(page.get_by_role("heading", name="My Profile")).to_be_visible()
        await is_within(page, ".sonar-sso", "#change-account-security")
        await picture(page, "profile", tmp_path)
        await page.get_by_role("link", name="Manage single sign-on").click()
        await expect(page.get_by_role("heading", name="Single Sign-On")).to_be_visible()
        await page.get_by_role("link", name="Back to Sonar").click()
        await expect(page.get_by_role("heading", name="My Profile")).to_be_visible()


async def is_within(page: Page, inner: str, outer: str) -> None:
    """What the gateway adds stays inside the box it was added to."""
    part, box = await box_of(page, inner), await box_of(page, outer)
    assert box["x"] <= part["x"]
    assert part["x"] + part["width"] <= box["x"] + box["width"]
    assert part["y"] + part["height"] <= box["y"] + box["height"]


async def test_microsoft_with_the_sonar_password_once(stage: Stage, tmp_path: Path) -> None:
    async with stage.visitor() as page:
        await page.goto("/voicemail")
        await press(page, page.get_by_role("link", name="Sign in with Microsoft"))
        await press(page, page.get_by_role("button", name="Milo Hart"))
        username = page.get_by_label("Sonar username")
        await expect(username).to_be_focused()
        await fits_a_phone(page)
        await picture(page, "link", tmp_path)
        await page.keyboard.type("mhart")
        await page.keyboard.press("Tab")
        await page.keyboard.type("hart-beat")
        await page.keyboard.press("Enter")
        await expect(page.locator("#whoami")).to_contain_text("Milo Hart")
        assert page.url == stage.at("/voicemail")
    async with stage.visitor() as page:
        await page.goto("/voicemail")
        await page.get_by_role("link", name="Sign in with Microsoft").click()
        await pick(page, "Milo Hart")
        await expect(page.locator("#whoami")).to_contain_text("Milo Hart")
        assert page.url == stage.at("/voicemail")


async def test_choice_is_remembered_and_settings_and_sign_out_work(
    stage: Stage, tmp_path: Path
) -> None:
    async with stage.visitor() as page:
        await page.goto("/calls")
        await page.get_by_role("link", name="Sign in with Google").click()
        await pick(page, "Sam Rivera")
        desk = page.get_by_role("button", name="Acme Support Desk")
        await expect(desk).to_be_visible()
        await fits_a_phone(page)
        await picture(page, "choose", tmp_path)
        await press(page, desk)
        await expect(page.locator("#whoami")).to_contain_text("Acme Support Desk")
        assert page.url == stage.at("/calls")
    async with stage.visitor() as page:
        await page.goto("/calls")
        await page.get_by_role("link", name="Sign in with Google").click()
        await pick(page, "Sam Rivera")
        await expect(page.locator("#whoami")).to_contain_text("Acme Support Desk")
        await change_settings(page, tmp_path)
        await sign_out(page)


async def change_settings(page: Page, folder: Path) -> None:
    """Remove one of two accounts, and turn it on again by its password."""
    await page.goto("/sso/settings")
    await page.get_by_role("button", name="Remove srivera").click()
    await expect(page.get_by_role("status")).to_contain_text("removed")
    await fits_a_phone(page)
    await picture(page, "settings", folder)
    await page.get_by_label("Sonar password of srivera").fill("river-bank")
    await page.get_by_role("button", name="Turn on again").click()
    await expect(page.get_by_role("status")).to_contain_text("linked")
    await expect(page.get_by_role("button", name="Remove srivera")).to_be_visible()


async def sign_out(page: Page) -> None:
    await press(page, page.get_by_role("link", name="Sign out"))
    await expect(page.get_by_role("heading", name="Sign out of Sonar?")).to_be_visible()
    await fits_a_phone(page)
    await press(page, page.get_by_role("button", name="Sign out", exact=True))
    await expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    await fits_a_phone(page)
    await page.goto("/calls")
    await expect(page.get_by_role("heading", name="Sign in to Sonar")).to_be_visible()


async def test_refusal_says_why_and_leads_to_the_password(stage: Stage, tmp_path: Path) -> None:
    async with stage.visitor() as page:
        await page.goto("/calls")
        await page.get_by_role("link", name="Sign in with Google").click()
        await pick(page, "Peter Gibbons")
        await expect(page.get_by_text("domain_off")).to_be_visible()
        await fits_a_phone(page)
        await picture(page, "refused", tmp_path)
        await press(page, page.get_by_role("link", name="password"))
        await page.get_by_label("User name").fill("pgibbons")
        await page.get_by_label("Password").fill("red-stapler")
        await page.keyboard.press("Enter")
        await expect(page.locator("#whoami")).to_contain_text("Peter Gibbons")
        assert page.url == stage.at("/calls")


async def test_a_form_that_met_no_session_is_sent_as_it_was_typed(
    stage: Stage, tmp_path: Path
) -> None:
    """Sonar's page is in ISO 8859-1, so that its form is, too; the one that asks is in UTF-8."""
    greeting = 'Grüße, "back" <at> 9 & 10 €\nÁ bientôt ~*'
    async with stage.visitor() as page:
        await page.goto("/calls")
        await page.get_by_role("link", name="Sign in with Google").click()
        await pick(page, "Jo March")
        await page.get_by_label("Greeting").fill(greeting)
        await stage.end_sessions(page)
        await page.get_by_role("button", name="Save greeting").click()
        await expect(page.get_by_role("heading", name="Sign in, and then send it")).to_be_visible()
        await fits_a_phone(page)
        await picture(page, "form-sign-in", tmp_path)
        await press(page, page.get_by_role("link", name="Sign in with Google"))
        await pick(page, "Jo March")
        await expect(page.get_by_role("heading", name="Send your form?")).to_be_visible()
        await expect(page.get_by_text("/calls/greeting")).to_be_visible()
        await fits_a_phone(page)
        await picture(page, "form", tmp_path)
        await press(page, page.get_by_role("button", name="Send it now"))
        await expect(page.get_by_label("Greeting")).to_have_value(greeting)
        assert page.url == stage.at("/calls")


async def test_a_recording_that_met_no_session_is_sent_by_a_reload(
    stage: Stage, tmp_path: Path
) -> None:
    """What the page says that a person can do, done: sign in in another tab, and reload."""
    recording: FilePayload = {
        "name": "hello.wav",
        "mimeType": "audio/wav",
        "buffer": b"RIFF" + bytes(3_000_000),
    }
    async with stage.visitor() as page:
        await page.goto("/voicemail")
        await page.get_by_role("link", name="Sign in with Google").click()
        await pick(page, "Kim Okafor")
        await page.get_by_label("Recording").set_input_files(recording)
        await stage.end_sessions(page)
        await page.get_by_role("button", name="Upload").click()
        await expect(page.get_by_role("heading", name="Your form was not sent")).to_be_visible()
        await fits_a_phone(page)
        await picture(page, "form-not-sent", tmp_path)
        other = await page.context.new_page()
        await other.goto("/calls")
        await other.get_by_role("link", name="Sign in with Google").click()
        await pick(other, "Kim Okafor")
        await expect(other.locator("#whoami")).to_contain_text("Kim Okafor")
        await other.close()
        await page.reload()
        await expect(page.get_by_role("heading", name="Voicemail")).to_be_visible()
        await expect(page.get_by_text("hello")).to_be_visible()


async def test_signing_out_at_microsoft_closes_sonar_and_the_way_back_works(
    stage: Stage, tmp_path: Path
) -> None:
    async with stage.visitor() as page:
        await page.goto("/sso/login")
        await page.get_by_role("link", name="Sign in with Microsoft").click()
        microsoft = page.url.partition("/oauth2/")[0]
        await pick(page, "Mara Jensen")
        await expect(page.locator("#whoami")).to_contain_text("Mara Jensen")
        async with page.expect_response("**/sso/logout/frontchannel/microsoft?sid=*") as answer:
            await page.goto(f"{microsoft}/oauth2/v2.0/logout")
        assert (await answer.value).status == 200
        await expect(page.locator("iframe").content_frame.locator("html")).to_have_attribute(
            "lang", "en"
        )
        await page.goto("/voicemail")
        await expect(page.get_by_role("heading", name="Sign in to Sonar")).to_be_visible()

        await page.get_by_role("link", name="Sign in with Microsoft").click()
        await pick(page, "Mara Jensen")
        await page.goto("/sso/logout")
        await page.get_by_role("button", name="Sign out", exact=True).click()
        await expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
        await fits_a_phone(page)
        await picture(page, "signed-out-microsoft", tmp_path)
        await page.get_by_role("link", name="Sign out of Microsoft too").click()
        await page.get_by_role("link", name="Back to Sonar").click()
        await expect(page.get_by_text("back from signing out at Microsoft")).to_be_visible()
        await fits_a_phone(page)
        await picture(page, "signed-out-back", tmp_path)


async def test_google_has_no_sign_out_and_the_page_says_so(stage: Stage, tmp_path: Path) -> None:
    async with stage.visitor() as page:
        await page.goto("/sso/login")
        await page.get_by_role("link", name="Sign in with Google").click()
        await pick(page, "Jo March")
        await page.goto("/sso/logout")
        await picture(page, "sign-out", tmp_path)
        await page.get_by_role("button", name="Sign out", exact=True).click()
        await expect(page.get_by_text("lets no other site sign you out")).to_be_visible()
        await expect(page.get_by_role("link", name="Open your Google Account")).to_be_visible()
        await fits_a_phone(page)
        await picture(page, "signed-out-google", tmp_path)


async def test_the_owner_hears_of_a_new_link_and_takes_it_away(
    stage: Stage, tmp_path: Path
) -> None:
    async with stage.visitor() as page:
        await page.goto("/calls")
        await page.get_by_role("link", name="Sign in with Google").click()
        await pick(page, "Vera Novak")
        await page.get_by_label("Sonar username").fill("kokafor")
        await page.get_by_label("Sonar password").fill("oak-forest")
        await page.get_by_role("button", name="Link and sign in").click()
        await expect(page.locator("#whoami")).to_contain_text("Kim Okafor")
    async with stage.visitor() as page:
        await kim_hears_of_it_by_password(page)
        await expect(page.get_by_text("vera@acme.example")).to_be_visible()
        await press(page, page.get_by_role("link", name="Decide later"))
        await expect(page.get_by_role("heading", name="Voicemail")).to_be_visible()
        await expect(page.locator("#whoami")).to_contain_text("Kim Okafor")
        assert page.url == stage.at(DEEP_LINK)
    async with stage.visitor() as page:
        await page.goto("/calls")
        await page.get_by_role("link", name="Sign in with Google").click()
        await pick(page, "Kim Okafor")
        await expect(page.get_by_role("heading", name="A new way to sign in")).to_be_visible()
        await fits_a_phone(page)
        await picture(page, "notice", tmp_path)
        await press(page, page.get_by_role("button", name="No, take it away"))
        await expect(page.get_by_role("status")).to_contain_text("no longer opens")
        await fits_a_phone(page)
        await picture(page, "notice-undone", tmp_path)
        await press(page, page.get_by_role("link", name="Go on to Sonar"))
        await expect(page.locator("#whoami")).to_contain_text("Kim Okafor")
        assert page.url == stage.at("/calls")
    async with stage.visitor() as page:
        await kim_hears_of_it_by_password(page)
        await expect(page.get_by_text("taken away again")).to_be_visible()
        await fits_a_phone(page)
        await picture(page, "notice-gone", tmp_path)
        await press(page, page.get_by_role("button", name="I have read this"))
        await expect(page.get_by_role("heading", name="Voicemail")).to_be_visible()
        assert page.url == stage.at(DEEP_LINK)


async def kim_hears_of_it_by_password(page: Page) -> None:
    """On Sonar's own page, some seconds after the link, when every process knows of it."""
    async with asyncio.timeout(PATIENCE / 1000):
        while "/sso/notices" not in page.url:
            await page.context.clear_cookies()
            await page.goto(f"/login?{urlencode({'return_to': DEEP_LINK})}")
            await page.get_by_label("User name").fill("kokafor")
            await page.get_by_label("Password").fill("oak-forest")
            await page.get_by_role("button", name="Sign in", exact=True).click()
            await page.wait_for_url(lambda url: "/login" not in url)
    await expect(page.get_by_role("heading", name="A new way to sign in")).to_be_visible()
