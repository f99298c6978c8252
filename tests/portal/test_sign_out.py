"""Sign out here or everywhere, and at the provider, and back."""

import re
from urllib.parse import parse_qsl, urlsplit

import pytest
from structlog.testing import capture_logs

from gateway.identity.transaction import LIFETIME
from tests.journeys.browser import Browser, Page
from tests.portal.world import World
from tests.session.samples import settled, until


async def test_signing_out_is_asked_for_then_done(world: World, browser: Browser) -> None:
    await world.arrive(browser, "google", "jo")
    stolen = browser.cookies()["sonar_sso"]

    page = await browser.open("/sso/logout")
    assert "jo@acme.example" in page.text
    assert list(await world.live()) == ["1001"], "looking is not signing out"
    out = await browser.press(page, "Sign out")

    assert "You are signed out" in out.text
    assert "still signed in at Google" in out.text
    assert "lets no other site sign you out" in out.text
    assert out.link("Open your Google Account") == "https://myaccount.google.com/"
    assert await world.live() == {}
    assert {name[:9] for name in browser.cookies()} == {"sonar_tx_"}, "what knows the way to Google"
    status, _, _ = await browser.request("GET", "/sso/me", cookies={"sonar_sso": stolen})
    assert status == 401


async def test_signing_out_expires_sonars_own_cookies(world: World, browser: Browser) -> None:
    await world.arrive(browser, "google", "jo")
    form = (await browser.open("/sso/logout")).form("Sign out")

    _, headers, _ = await browser.request("POST", form.action, data=form.fields)

    cookies = headers.getall("Set-Cookie")  # type: ignore[attr-defined]
    assert any(cookie.startswith("SONARSESSID=; Path=/; Max-Age=0") for cookie in cookies)


async def test_a_provider_with_a_sign_out_of_its_own_is_offered(
    world: World, browser: Browser
) -> None:
    await world.arrive(browser, "microsoft", "mara")

    out = await browser.press(await browser.open("/sso/logout"), "Sign out")

    address = out.link("Sign out of Microsoft too")
    assert address.startswith(world.standin.microsoft.base)
    asked = dict(parse_qsl(urlsplit(address).query))
    assert asked["post_logout_redirect_uri"] == f"{world.origin}/sso/logout"
    assert asked["logout_hint"].startswith("O.mara.")
    assert "id_token_hint" not in asked
    assert "mara@" not in address, "nothing in the address tells who it is"


async def leave(world: World, browser: Browser) -> Page:
    """Sign in with Microsoft and out again, and go on to Microsoft's sign-out."""
    await world.arrive(browser, "microsoft", "mara")
    out = await browser.press(await browser.open("/sso/logout"), "Sign out")
    return await browser.click(out, "Sign out of Microsoft too")


async def test_back_from_the_providers_sign_out(world: World, browser: Browser) -> None:
    there = await leave(world, browser)

    back = await browser.click(there, "Back to Sonar")

    assert back.path == "/sso/logout"
    assert "you are back from signing out at Microsoft" in back.text
    assert "still signed in" not in back.text
    assert browser.cookies() == {}
    again = await browser.open(back.url)
    assert "back from" not in again.text, "the state works once"


async def test_coming_back_is_only_believed_of_the_browser_that_went(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    """Another site can send anybody here, and must not make the page say what is not so."""
    address = (await leave(world, browser)).link("Back to Sonar")
    state = dict(parse_qsl(urlsplit(address).query))["state"]

    elsewhere = await other_browser.open(address)
    assert elsewhere.status == 200
    assert "back from" not in elsewhere.text
    for wrong in (f"{state}x", state.partition(".")[0], "", f"{state}&state={state}"):
        page = await browser.open(f"/sso/logout?state={wrong}")
        assert "back from" not in page.text, wrong
    assert "back from" in (await browser.open(address)).text


async def test_the_way_back_is_open_for_ten_minutes(world: World, browser: Browser) -> None:
    address = (await leave(world, browser)).link("Back to Sonar")
    world.clock.ahead = LIFETIME

    assert "back from" not in (await browser.open(address)).text


async def test_who_signed_in_again_meanwhile_is_asked(world: World, browser: Browser) -> None:
    address = (await leave(world, browser)).link("Back to Sonar")
    await world.arrive(browser, "google", "jo")

    page = await browser.open(address)

    assert "Sign out of Sonar?" in page.text
    assert list(await world.live()) == ["1001"]
    assert {name[:9] for name in browser.cookies()} == {"sonar_sso"}, "a sign-in clears the rest"


async def test_signing_out_at_the_provider_ends_its_other_sessions_here(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    """Microsoft opens our address for each in a frame: signed in twice, signed out of both."""
    await world.arrive(browser, "microsoft", "mara")
    sonar = browser.cookies()["sonar_sso"]
    browser.jar.clear(lambda cookie: cookie.key == "sonar_sso")
    there = await leave(world, browser)
    frames = re.findall(r'<iframe src="([^"]+)"', there.text)
    assert len(frames) == 2
    assert len(await world.live()) == 1

    for frame in frames:
        assert (await other_browser.open(frame)).status == 200

    assert await world.live() == {}
    status, _, _ = await other_browser.request("GET", "/sso/me", cookies={"sonar_sso": sonar})
    assert status == 401


async def test_a_provider_that_is_down_does_not_keep_anybody_signed_in(
    world: World, browser: Browser
) -> None:
    await world.arrive(browser, "microsoft", "mara")
    world.standin.microsoft.down = True
    world.forget_documents()

    out = await browser.press(await browser.open("/sso/logout"), "Sign out")

    assert out.status == 200
    assert "Microsoft does not answer at the moment" in out.text
    assert await world.live() == {}


async def test_another_site_cannot_sign_anybody_out(world: World, browser: Browser) -> None:
    await world.arrive(browser, "google", "jo")
    token = (await browser.open("/sso/logout")).form("Sign out").fields["token"]
    for body, headers in (
        ({}, {}),
        ({"token": token}, {"Origin": "https://evil.example"}),
        ({"token": token}, {"Sec-Fetch-Site": "cross-site"}),
    ):
        status, _, text = await browser.request("POST", "/sso/logout", data=body, headers=headers)

        assert status in {400, 403}
        assert "form_forged" in text or "request_malformed" in text
    assert list(await world.live()) == ["1001"]


async def test_who_is_not_signed_in_is_told_so(browser: Browser) -> None:
    page = await browser.open("/sso/logout")
    assert page.status == 200
    assert "You are signed out" in page.text
    assert page.link("Sign in again").endswith("/sso/login")

    status, headers, _ = await browser.request("POST", "/sso/logout", data={"token": "x"})
    assert (status, headers["Location"]) == (303, "/sso/logout")


async def test_a_made_up_provider_is_not_named(browser: Browser) -> None:
    for query in ("provider=evil", "tx=evil", "state=evil"):
        assert "evil" not in (await browser.open(f"/sso/logout?{query}")).text


# Everywhere.


@pytest.mark.parametrize("place", ["/sso/logout", "/sso/settings"])
async def test_signing_out_everywhere_ends_every_session_of_the_identity_and_no_other(
    place: str, world: World, browser: Browser
) -> None:
    """Whatever the account: Sam's choice in one browser is another in the second."""
    async with Browser(world.origin) as elsewhere, Browser(world.origin) as other:
        page = await world.arrive(elsewhere, "google", "sam")
        await elsewhere.press(page, "Acme Support Desk")
        await world.arrive(other, "google", "jo")
        await world.arrive(browser, "google", "sam")
        page = await browser.open("/sso/accounts")
        await browser.press(page, "srivera")
        before = await world.live()
        assert len(before) == 3

        out = await browser.press(await browser.open(place), "Sign out everywhere")

        assert "You are signed out everywhere" in out.text
        assert list(await world.live()) == ["1001"]
        assert "sonar_sso" not in browser.cookies()
        assert (await elsewhere.request("GET", "/sso/me"))[0] == 401
        assert (await other.request("GET", "/sso/me"))[0] == 200


async def test_another_site_cannot_sign_anybody_out_everywhere(
    world: World, browser: Browser
) -> None:
    await world.arrive(browser, "google", "jo")
    token = (await browser.open("/sso/logout")).form("everywhere").fields["token"]
    async with Browser(world.origin) as other:
        await world.arrive(other, "google", "hank")
        foreign = (await other.open("/sso/logout")).form("everywhere").fields["token"]
    for body, headers in (
        ({}, {}),
        ({"token": foreign}, {}),
        ({"token": token, "more": "1"}, {}),
        ({"token": token}, {"Origin": "https://evil.example"}),
        ({"token": token}, {"Sec-Fetch-Site": "cross-site"}),
    ):
        path = "/sso/logout/everywhere"
        status, _, _ = await browser.request("POST", path, data=body, headers=headers)
        assert status in {400, 403}
        assert (await browser.request("GET", path))[0] == 405
    assert set(await world.live()) >= {"1001"}


async def test_who_is_not_signed_in_is_signed_out_everywhere_already(browser: Browser) -> None:
    status, headers, _ = await browser.request("POST", "/sso/logout/everywhere")
    assert (status, headers["Location"]) == (303, "/sso/logout")
    assert "everywhere" not in (await browser.open("/sso/logout?done=everywhere")).text


async def test_everywhere_is_not_said_before_the_store_has_taken_it(
    world: World, browser: Browser
) -> None:
    await world.arrive(browser, "google", "jo")
    page = await browser.open("/sso/logout")
    await world.change_own("sessions.db", "ALTER TABLE labels RENAME TO mislaid")

    with capture_logs() as logs:
        out = await browser.press(page, "everywhere")

    assert [entry["account"] for entry in logs if entry["event"] == "signed_out"] == ["1001"]
    assert (out.status, "sessions_unavailable" in out.text) == (503, True)
    assert "sonar_sso" not in browser.cookies()
    await world.change_own("sessions.db", "ALTER TABLE mislaid RENAME TO labels")
    await until(lambda: settled(world.sessions))
    assert await world.live() == {}


async def test_nothing_half_signed_in_stays_behind(world: World, browser: Browser) -> None:
    """Whoever comes next to this computer goes back to a tab with a chooser, or with a provider's
    page."""
    await browser.open("/sso/login/google")
    chooser = await world.arrive(browser, "google", "sam")
    form = chooser.form("Sam Rivera")
    await world.arrive(browser, "google", "sam")
    await browser.press(await browser.open(chooser.url), "Acme Support Desk")
    assert len(browser.cookies()) > 1
    await browser.press(await browser.open("/sso/logout"), "Sign out")

    (left,) = browser.cookies()
    assert left.startswith("sonar_tx_"), "who has left, for the provider's sign-out"
    status, _, _ = await browser.request(
        "POST", form.action, data=form.fields | {"account": "1002"}
    )
    assert status == 400
    assert await world.live() == {}


async def test_nor_when_the_session_is_over_before_its_person_signs_out(
    world: World, browser: Browser
) -> None:
    await world.arrive(browser, "google", "jo")
    asked = await browser.open("/sso/logout")
    await browser.open("/sso/login/google")
    assert any(name.startswith("sonar_tx_") for name in browser.cookies())
    (session,) = await world.store.all()
    await world.sessions.end(session.key)

    out = await browser.press(asked, "Sign out")

    assert out.path == "/sso/logout"
    assert not any(name.startswith("sonar_tx_") for name in browser.cookies())
