"""The Sonar password: throttled by account, by identity and by address."""

import asyncio

import pytest

from tests.journeys.browser import Browser, Form
from tests.portal.world import PASSWORDS, World

GOOD = {"username": "nlindqvist", "password": PASSWORDS["nlindqvist"]}
BAD = {"username": "nlindqvist", "password": "wrong"}


async def proof_of(world: World, browser: Browser, person: str = "nora") -> Form:
    page = await world.arrive(browser, "google", person)
    return page.form("Link and sign in")


async def send(
    browser: Browser, form: Form, fields: dict[str, str], address: str = "192.0.2.1"
) -> int:
    status, _, _ = await browser.request(
        "POST", form.action, data=form.fields | fields, headers={"X-Forwarded-For": address}
    )
    return status


@pytest.mark.parametrize("spelling", ["NLINDQVIST", " nlindqvist ", "nLindqvist", "nlindqvist\t"])
async def test_another_spelling_buys_no_attempts(
    world: World, browser: Browser, spelling: str
) -> None:
    form = await proof_of(world, browser)
    for _ in range(3):
        assert await send(browser, form, BAD | {"username": spelling}) == 403

    assert await send(browser, form, GOOD) == 429


async def test_another_identity_buys_no_attempts_at_the_same_account(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    theirs = await proof_of(world, other_browser, "vera")
    for _ in range(3):
        assert await send(other_browser, theirs, BAD, "192.0.2.7") == 403

    form = await proof_of(world, browser)

    assert await send(browser, form, GOOD) == 429


async def test_another_account_buys_no_attempts_to_the_same_identity(
    world: World, browser: Browser
) -> None:
    form = await proof_of(world, browser)
    for name in ("jmarch", "rstone", "nobody"):
        assert await send(browser, form, {"username": name, "password": "wrong"}) == 403

    assert await send(browser, form, GOOD) == 429


async def test_who_is_stopped_does_not_lock_an_owner_out(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    theirs = await proof_of(world, other_browser, "vera")
    for name in ("a", "b", "c", *["nlindqvist"] * 5):
        await send(other_browser, theirs, {"username": name, "password": "wrong"})

    form = await proof_of(world, browser)

    assert await send(browser, form, GOOD) == 303


async def test_an_address_has_more_attempts_than_a_person_and_an_end(
    world: World, browser: Browser
) -> None:
    """An office shares one address; a machine that guesses has one too."""
    google, microsoft = ("ivan", "info", "vera", "ada", "uri"), ("milo", "eve", "cora")
    people = [("google", name) for name in google] + [("microsoft", name) for name in microsoft]
    for provider, name in people:
        page = await world.arrive(browser, provider, name)
        for attempt in range(3):
            typed = {"username": f"{name}{attempt}", "password": "wrong"}
            assert await send(browser, page.form("Link and sign in"), typed) == 403
    await world.arrive(browser, "google", "jo")
    signed_in = (await browser.open("/sso/link")).form("Link and sign in")
    form = await proof_of(world, browser)
    for attempt in range(3):
        typed = {"username": f"jo{attempt}", "password": "wrong"}
        assert await send(browser, signed_in, typed) == 403
    for attempt in range(2):
        assert await send(browser, form, {"username": f"n{attempt}", "password": "wrong"}) == 403
    kim = await world.arrive(browser, "google", "kim")
    assert kim.text == "Sonar /"
    signed_in = (await browser.open("/sso/link")).form("Link and sign in")
    assert await send(browser, signed_in, {"username": "k", "password": "wrong"}) == 403

    assert await send(browser, form, GOOD) == 429
    assert await send(browser, form, GOOD, "192.0.2.10") == 429, "the identity has spent its own"
    kims = {"username": "kokafor", "password": PASSWORDS["kokafor"]}
    assert await send(browser, signed_in, kims) == 429
    assert await send(browser, signed_in, kims, "192.0.2.10") == 303


async def test_many_at_once_get_no_more_attempts(world: World, browser: Browser) -> None:
    form = await proof_of(world, browser)

    answers = await asyncio.gather(*(send(browser, form, BAD) for _ in range(8)))

    assert sorted(answers) == [403] * 3 + [429] * 5


async def test_a_success_gives_the_account_its_attempts_back(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    form = await proof_of(world, browser)
    assert await send(browser, form, BAD) == 403
    assert await send(browser, form, GOOD) == 303

    theirs = await proof_of(world, other_browser, "vera")
    for _ in range(3):
        assert await send(other_browser, theirs, BAD) == 403
