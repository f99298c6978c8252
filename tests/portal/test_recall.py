"""Who has proved an identity and has no session yet is signed out by the provider all the same."""

import asyncio
from typing import Any

import pytest

from demo.providers.faults import Fault
from gateway.identity.model import IdentityKey
from gateway.session.model import Session
from tests.journeys.browser import Browser, Page
from tests.portal.logouts import logout_token, security_event, subject, tell, tell_event
from tests.portal.world import PASSWORDS, World

SID = "2f1e0d9c8b7a69584736251403f2e1d0"


async def arrive(world: World, browser: Browser, person: str) -> Page:
    world.standin.google.fault = Fault(claims={"sid": SID})
    page = await world.arrive(browser, "google", person)
    world.standin.google.fault = Fault()
    return page


@pytest.mark.parametrize("meant", [{"sid": SID}, {"sub": subject("sam")}])
async def test_who_still_chooses_an_account(
    world: World, browser: Browser, other_browser: Browser, meant: dict[str, Any]
) -> None:
    page = await arrive(world, browser, "sam")
    assert page.path == "/sso/accounts"

    assert (await tell(other_browser, logout_token(world.standin.google, **meant)))[0] == 200

    refused = await browser.press(page, "Acme Support Desk")
    assert (refused.status, "provider_signed_out" in refused.text) == (403, True)
    assert refused.link("Start over").startswith(f"{world.origin}/sso/login")
    assert "provider_signed_out" in (await browser.open(page.url)).text
    assert await world.live() == {}

    again = await browser.press(await world.arrive(browser, "google", "sam"), "Acme Support Desk")
    assert again.status == 200
    assert list(await world.live()) == ["1003"]


async def test_who_still_types_a_password(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    page = await arrive(world, browser, "nora")
    assert page.path == "/sso/link"

    event = security_event(world.standin.google, "nora")
    assert (await tell_event(other_browser, event))[0] == 202

    typed = {"username": "nlindqvist", "password": PASSWORDS["nlindqvist"]}
    refused = await browser.press(page, "Link and sign in", **typed)
    assert "provider_signed_out" in refused.text
    assert await world.live() == {}
    key = IdentityKey(world.standin.google.base, subject("nora"))
    assert await world.links.links_of(key) == ()


@pytest.mark.parametrize("meant", [{"sid": SID}, {"sub": subject("jo")}])
async def test_a_logout_in_the_moment_before_the_session(
    world: World,
    browser: Browser,
    other_browser: Browser,
    monkeypatch: pytest.MonkeyPatch,
    meant: dict[str, Any],
) -> None:
    create = world.store.create

    async def a_moment_later(session: Session) -> None:
        assert (await tell(other_browser, logout_token(world.standin.google, **meant)))[0] == 200
        await create(session)

    monkeypatch.setattr(world.store, "create", a_moment_later)
    page = await arrive(world, browser, "jo")

    assert "provider_signed_out" in page.text
    assert "sonar_sso" not in browser.cookies()
    assert await world.live() == {}


async def test_who_signs_out_everywhere_takes_back_what_is_half_done(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    left_open = await world.arrive(other_browser, "google", "sam")
    await browser.press(await world.arrive(browser, "google", "sam"), "Acme Support Desk")

    page = await browser.open("/sso/logout")
    await browser.press(page, "Sign out everywhere")

    refused = await other_browser.press(left_open, "Acme Support Desk")
    assert "provider_signed_out" in refused.text
    assert await world.live() == {}


@pytest.mark.parametrize("later", [False, True])
async def test_who_signs_out_everywhere_in_the_moment_in_which_another_browser_signs_in(
    world: World,
    browser: Browser,
    other_browser: Browser,
    monkeypatch: pytest.MonkeyPatch,
    later: bool,
) -> None:
    """Whoever of the two is held up in between: nothing that was proven before stays. `later`:
    the other browser's last step begins after the sign-out did."""
    left_open = await world.arrive(other_browser, "google", "sam")
    await browser.press(await world.arrive(browser, "google", "sam"), "Acme Support Desk")
    page = await browser.open("/sso/logout")
    create, put = world.store.create, world.store.named.put
    noting, go_on = asyncio.Event(), asyncio.Event()

    async def held_up(name: str, value: bytes, seconds: float) -> None:
        if name.startswith("recalled:"):
            noting.set()
            await go_on.wait()
        await put(name, value, seconds)

    async def meanwhile(session: Session) -> None:
        if later:
            go_on.set()
            await leaving
        await create(session)

    monkeypatch.setattr(world.store.named, "put", held_up)
    leaving = asyncio.create_task(browser.press(page, "Sign out everywhere"))
    async with asyncio.timeout(10):
        await noting.wait()
    world.clock.ahead += 1.0
    monkeypatch.setattr(world.store, "create", meanwhile)
    await other_browser.press(left_open, "Acme Support Desk")
    go_on.set()
    assert "signed out everywhere" in (await leaving).text
    assert await world.live() == {}


async def test_somebody_elses_logout_is_nothing_to_them(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    page = await arrive(world, browser, "sam")

    others: tuple[dict[str, Any], ...] = ({"sid": SID[::-1]}, {"sub": subject("riley")})
    for meant in others:
        assert (await tell(other_browser, logout_token(world.standin.google, **meant)))[0] == 200

    await browser.press(page, "Acme Support Desk")
    assert list(await world.live()) == ["1003"]
