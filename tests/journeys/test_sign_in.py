"""From a Sonar URL to Sonar, by each of the ways a sign-in can go."""

import asyncio
import json

import pytest

from tests.journeys.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_one_account_is_signed_in_and_lands_where_it_meant_to_go(world: World) -> None:
    async with world.browser() as browser:
        page = await browser.open("/voicemail?folder=new&q=a%26b%20c")
        assert (page.path, page.hops[0][0]) == ("/sso/login", 302)
        page = await browser.click(page, "Sign in with Google")
        assert "Pick an account" in page.text
        page = await world.pick(browser, page, "jo")
        assert (page.status, page.url) == (200, f"{world.origin}/voicemail?folder=new&q=a%26b%20c")
        assert "Signed in as <strong>Jo March</strong>" in page.text
        status, _headers, text = await browser.request("GET", "/sso/me")
        me = json.loads(text)
        assert (status, me["account"]["username"]) == (200, "jmarch")


async def test_identity_reaches_sonar_only_by_assertion(world: World) -> None:
    async with world.browser() as browser:
        await world.google(browser, "jo")
        forged = {"X-Sonar-Username": "srivera", "X_Sonar_Account_Id": "1002"}
        status, _headers, text = await browser.request("GET", "/api/v1/me", headers=forged)
        assert (status, json.loads(text)["username"]) == (200, "jmarch")


async def test_several_accounts_are_chosen_among_once(world: World) -> None:
    async with world.browser() as browser:
        page = await world.google(browser, "sam", "/calls")
        assert page.path == "/sso/accounts"
        assert "Sam Rivera (old)" not in page.text
        page = await browser.press(page, "Acme Support Desk")
        assert (page.status, page.path) == (200, "/calls")
        assert "Acme Support Desk" in page.text
    async with world.browser() as browser:
        page = await world.google(browser, "sam", "/calls")
        assert (page.path, "Acme Support Desk" in page.text) == ("/calls", True)
        page = await browser.open("/sso/accounts")
        page = await browser.press(page, "srivera")
        status, _headers, text = await browser.request("GET", "/api/v1/me")
        assert (status, json.loads(text)["username"]) == (200, "srivera")


async def test_no_account_is_linked_by_its_password_once(world: World) -> None:
    async with world.browser() as browser:
        page = await world.google(browser, "nora", "/profile")
        assert page.path == "/sso/link"
        page = await browser.press(page, "Link", username="nlindqvist", password="wrong")
        assert page.path == "/sso/link"
        assert "nora@acme.example" in page.text
        page = await browser.press(page, "Link", username="nlindqvist", password="north-light")
        assert (page.status, page.path) == (200, "/profile")
        assert "nlindqvist" in page.text
        # Her password form is on the page, and so is the gateway's part of it.
        assert "/sso/settings" in page.text
    async with world.browser() as browser:
        page = await world.google(browser, "nora", "/profile")
        assert (page.status, page.path) == (200, "/profile")


async def test_untrusted_microsoft_address_needs_the_password(world: World) -> None:
    async with world.browser() as browser:
        page = await world.microsoft(browser, "eve")
        assert page.path == "/sso/link"
        assert (await browser.request("GET", "/sso/me"))[0] == 401
    async with world.browser() as browser:
        page = await world.microsoft(browser, "mara", "/calls")
        assert (page.status, page.path) == (200, "/calls")


async def test_recycled_mailbox_does_not_open_its_old_owners_account(world: World) -> None:
    async with world.browser() as browser:
        page = await world.google(browser, "riley", "/calls")
        assert page.path == "/calls"
    async with world.browser() as browser:
        page = await world.google(browser, "riley-new", "/calls")
        assert page.path == "/sso/link"
        assert (await browser.request("GET", "/sso/me"))[0] == 401


async def test_refusals_say_why_and_offer_the_password(world: World) -> None:
    people = {"peter": "domain_off", "fred": "not_pilot_user", "una": "no_policy"}
    for person, reason in people.items():
        async with world.browser() as browser:
            page = await world.google(browser, person)
            assert page.status == 403, person
            assert reason in page.text
            assert "/login" in page.text
            assert browser.cookies().get("sonar_sso") is None


async def test_two_tabs_sign_in_at_once(world: World) -> None:
    async with world.browser() as browser:
        first = await browser.open("/voicemail")
        second = await browser.open("/calls")
        first = await browser.click(first, "Google")
        second = await browser.click(second, "Google")
        second = await world.pick(browser, second, "jo")
        assert (second.status, second.path) == (200, "/calls")
        first = await world.pick(browser, first, "jo")
        assert (first.status, first.path) == (200, "/voicemail")


async def test_three_people_at_once_are_never_mixed_up(world: World) -> None:
    async def signs_in(person: str, name: str) -> None:
        async with world.browser() as browser:
            page = await world.google(browser, person, "/profile")
            assert f"Signed in as <strong>{name}</strong>" in page.text

    async with asyncio.TaskGroup() as together:
        for person, name in {
            "jo": "Jo March",
            "hank": "Hank Scorpio",
            "kim": "Kim Okafor",
        }.items():
            together.create_task(signs_in(person, name))


async def test_back_button_to_the_provider_starts_over_cleanly(world: World) -> None:
    async with world.browser() as browser:
        page = await browser.open("/sso/login?next=/calls")
        picker = await browser.click(page, "Microsoft")
        page = await world.pick(browser, picker, "mara")
        assert page.path == "/calls"
        callback = next(url for _status, url in page.hops if "/sso/callback/" in url)
        again = await browser.open(callback)
        assert again.status == 400
        assert "transaction_" in again.text
        # Still signed in, and the page leads on.
        assert (await browser.open("/calls")).status == 200


async def test_shared_mailbox_proves_each_account_once(world: World) -> None:
    async with world.browser() as browser:
        page = await world.google(browser, "info", "/calls")
        assert page.path == "/sso/link"
        page = await browser.press(page, "Link", username="acme-reception", password="front-door")
        assert page.path == "/calls"
    async with world.browser() as browser:
        page = await world.google(browser, "info", "/calls")
        assert "Acme Reception" in page.text


async def test_websocket_of_a_signed_in_person_ends_with_the_session(world: World) -> None:
    async with world.browser() as browser:
        await world.google(browser, "jo")
        async with browser.websocket("/calls/live") as calls:
            assert (await calls.receive(timeout=10)).data
            page = await browser.open("/sso/logout")
            page = await browser.press(page, "Sign out")
            async with asyncio.timeout(5):
                while not calls.closed:
                    await calls.receive()
    async with world.browser() as browser:
        status, headers, _text = await browser.request(
            "GET", "/calls/live", headers={"Upgrade": "websocket", "Connection": "upgrade"}
        )
        assert (status, headers.get("Location")) == (401, None)
