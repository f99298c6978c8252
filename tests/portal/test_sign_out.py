"""Sign out here; a word about the provider."""

from tests.journeys.browser import Browser
from tests.portal.world import World


async def test_signing_out_is_asked_for_then_done(world: World, browser: Browser) -> None:
    await world.arrive(browser, "google", "jo")
    stolen = browser.cookies()["sonar_sso"]

    page = await browser.open("/sso/logout")
    assert "jo@acme.example" in page.text
    assert list(await world.live()) == ["1001"], "looking is not signing out"
    out = await browser.press(page, "Sign out")

    assert "You are signed out" in out.text
    assert "still signed in at Google" in out.text
    assert await world.live() == {}
    assert browser.cookies() == {}
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
    assert "post_logout_redirect_uri=" in address


async def test_a_provider_that_is_down_does_not_keep_anybody_signed_in(
    world: World, browser: Browser
) -> None:
    await world.arrive(browser, "microsoft", "mara")
    world.standin.microsoft.down = True

    out = await browser.press(await browser.open("/sso/logout"), "Sign out")

    assert out.status == 200
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
    page = await browser.open("/sso/logout?provider=evil")

    assert "evil" not in page.text
