"""Who only ever signs in with the Sonar password hears of a new link, through the whole of it."""

import pytest

from tests.journeys.browser import Browser, Page
from tests.journeys.world import World, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIGNED_IN = "Signed in as <strong>Jo March</strong>"


RIGHT, WRONG = "march-hare", "march-hair"


async def by_password(browser: Browser, password: str = RIGHT) -> Page:
    """As Jo does each morning, on the way to a page."""
    browser.jar.clear(lambda cookie: cookie.key == "SONARSESSID")
    page = await browser.open("/login?return_to=/voicemail%3Ffolder%3Dnew")
    return await browser.press(page, "Sign in", username="JMarch", password=password)


async def told(world: World, browser: Browser) -> Page:
    """The notice, once the gateway knows of it: within a few seconds of the link."""
    pages: list[Page] = []

    async def is_told() -> bool:
        browser.jar.clear()
        pages.append(await by_password(browser))
        return pages[-1].path == "/sso/notices"

    await until(is_told, world.said)
    return pages[-1]


async def test_who_uses_the_password_alone_hears_of_a_new_link(world: World) -> None:
    async with world.browser() as vera, world.browser() as jo, world.browser() as guesser:
        page = await by_password(jo)
        assert (page.url, SIGNED_IN in page.text) == (
            f"{world.origin}/voicemail?folder=new",
            True,
        ), "without news nothing is different"
        assert jo.cookies().keys() == {"SONARSESSID"}
        page = await world.google(vera, "vera")
        await vera.press(page, "Link and sign in", username="jmarch", password="march-hare")

        page = await told(world, jo)

        assert "vera@acme.example" in page.text
        page = await by_password(guesser, WRONG)
        assert (page.path, "password is wrong" in page.text) == ("/login", True)
        assert guesser.cookies() == {}
        page = await jo.open("/sso/notices?next=/voicemail%3Ffolder%3Dnew")
        page = await jo.press(page, "No, take it away")
        assert "change it now" in page.text
        page = await jo.click(page, "Go on to Sonar")
        assert (page.url, SIGNED_IN in page.text) == (
            f"{world.origin}/voicemail?folder=new",
            True,
        )
        assert not jo.cookies()["SONARSESSID"].startswith("~")
        assert (await vera.request("GET", "/sso/me"))[0] == 401
        assert (await by_password(jo)).url == f"{world.origin}/voicemail?folder=new"
        assert not any("sonar_tx_reader" in request.cookies for request in world.asked)
    assert await world.stop() == 0
    written = world.said() + (world.folder / "access.log").read_text()
    assert '"/sso/notices"' in written
    assert RIGHT not in written
    assert WRONG not in written


async def test_without_the_gateways_database_a_password_is_as_before(world: World) -> None:
    async with world.browser() as vera, world.browser() as jo:
        page = await world.google(vera, "vera")
        await vera.press(page, "Link and sign in", username="jmarch", password="march-hare")
        await told(world, jo)
        database = world.folder / "var" / "gateway.db"
        database.rename(database.with_suffix(".away"))

        page = await by_password(jo)

        assert (page.url, SIGNED_IN in page.text) == (
            f"{world.origin}/voicemail?folder=new",
            True,
        )
        database.with_suffix(".away").rename(database)
        assert "vera@acme.example" in (await told(world, jo)).text
