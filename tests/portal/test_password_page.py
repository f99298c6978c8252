"""Each page that asks for a Sonar password: what it says when that was not it."""

from collections.abc import Awaitable, Callable

import pytest

from tests.journeys.browser import Browser, Page
from tests.portal.world import World

Asked = Callable[[World, Browser], Awaitable[tuple[Page, str, dict[str, str]]]]

NAMED = {"username": "nlindqvist", "password": "wrong"}


async def linking(world: World, browser: Browser) -> tuple[Page, str, dict[str, str]]:
    return await world.arrive(browser, "google", "nora"), "Link and sign in", NAMED


async def settings(world: World, browser: Browser) -> tuple[Page, str, dict[str, str]]:
    await world.arrive(browser, "google", "jo")
    return await browser.open("/sso/settings"), "Add account", NAMED


async def confirming(world: World, browser: Browser) -> tuple[Page, str, dict[str, str]]:
    await world.arrive(browser, "google", "jo")
    world.clock.ahead = 2 * world.config.sessions.fresh_proof
    return await browser.open("/sso/confirm"), "Confirm", {"password": "wrong"}


@pytest.mark.parametrize("asked", [linking, settings, confirming])
async def test_the_form_stands_and_says_what_and_until_when(
    world: World, browser: Browser, asked: Asked
) -> None:
    page, button, typed = await asked(world, browser)
    assert page.status == 200

    for _ in range(world.config.passwords.attempts):
        page = await browser.press(page, button, **typed)
        assert page.status == 403
        assert "Retry-After" not in page.headers
    page = await browser.press(page, button, **typed)

    assert page.status == 429
    assert int(page.headers["Retry-After"]) == world.config.passwords.wait
    assert "try again in" in page.text
    assert page.form(button).fields["password"] == ""
