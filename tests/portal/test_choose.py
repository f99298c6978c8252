"""Several accounts: the chooser, its memory, and switching later."""

import asyncio

import pytest

from gateway.session.model import Session
from tests.journeys.browser import Browser
from tests.portal.world import World

SAM, DESK, CLOSED = "1002", "1003", "1004"


async def test_the_chooser_shows_who_may_be_chosen_and_other_ways(
    world: World, browser: Browser
) -> None:
    page = await world.arrive(browser, "google", "sam", "/calls")

    assert page.path == "/sso/accounts"
    assert "sam@acme.example" in page.text
    assert "srivera" in page.text
    assert "acme-support" in page.text
    assert "srivera-old" not in page.text
    assert "/sso/link?tx=" in page.link("Use another Sonar account")
    assert page.link("Use another Google account").endswith("next=%2Fcalls&select_account=1")


async def test_the_choice_signs_in_and_is_remembered(world: World, browser: Browser) -> None:
    page = await world.arrive(browser, "google", "sam", "/calls")

    chosen = await browser.press(page, "Acme Support Desk")
    assert chosen.text == "Sonar /calls"
    assert list(await world.live()) == [DESK]
    assert set(browser.cookies()) == {"sonar_sso"}

    async with Browser(world.origin) as later:
        assert (await world.arrive(later, "google", "sam", "/voicemail")).text == "Sonar /voicemail"
    assert [session.account.id for session in await world.store.all()] == [DESK, DESK]


async def test_a_form_cannot_choose_what_was_not_offered(world: World, browser: Browser) -> None:
    page = await world.arrive(browser, "google", "sam")
    form = page.form("Sam Rivera")
    for account in (CLOSED, "1001", "", "' OR 1=1", "1002 "):
        status, _, text = await browser.request(
            "POST", form.action, data=form.fields | {"account": account}
        )

        assert status == 403, account
        assert "account_not_offered" in text
    assert await world.live() == {}


async def test_an_account_that_was_closed_meanwhile_is_not_opened(
    world: World, browser: Browser
) -> None:
    page = await world.arrive(browser, "google", "sam")
    await world.change_sonar("UPDATE accounts SET active = 0 WHERE id = ?", int(DESK))

    chosen = await browser.press(page, "Acme Support Desk")

    assert chosen.status == 403
    assert "account_not_offered" in chosen.text
    assert await world.live() == {}


async def test_a_policy_that_changed_meanwhile_counts(world: World, browser: Browser) -> None:
    page = await world.arrive(browser, "google", "sam")
    world.policies = type(world.policies)()

    chosen = await browser.press(page, "Sam Rivera")

    assert chosen.status == 403
    assert "no_policy" in chosen.text
    assert await world.live() == {}


async def test_a_choice_is_good_for_one_sign_in(world: World, browser: Browser) -> None:
    page = await world.arrive(browser, "google", "sam")
    form, cookies = page.form("Sam Rivera"), browser.cookies()
    body = form.fields | {"account": SAM}

    replies = await asyncio.gather(
        *(browser.request("POST", form.action, data=body, cookies=cookies) for _ in range(3))
    )

    assert sorted(status for status, _, _ in replies) == [303, 400, 400]
    assert len(await world.store.all()) == 1


async def test_a_choice_too_late_or_from_another_browser_is_refused(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    page = await world.arrive(browser, "google", "sam")
    form = page.form("Sam Rivera")
    body = form.fields | {"account": SAM}

    foreign, _, foreign_text = await other_browser.request("POST", form.action, data=body)
    world.clock.ahead = 601
    late, _, late_text = await browser.request("POST", form.action, data=body)

    assert (foreign, late) == (400, 400)
    assert "transaction_unknown" in foreign_text
    assert "transaction_expired" in late_text
    assert await world.live() == {}


async def test_a_form_without_its_token_changes_nothing(world: World, browser: Browser) -> None:
    page = await world.arrive(browser, "google", "sam")
    action = page.form("Sam Rivera").action

    for body in ({"account": SAM}, {"account": SAM, "token": "x"}):
        status, _, text = await browser.request("POST", action, data=body)

        assert status == 403
        assert "form_forged" in text
    assert await world.live() == {}


async def test_the_token_of_one_tab_is_not_good_for_another(world: World, browser: Browser) -> None:
    first = (await world.arrive(browser, "google", "sam")).form("Sam Rivera")
    second = (await world.arrive(browser, "google", "sam")).form("Sam Rivera")

    status, _, text = await browser.request(
        "POST", first.action, data=second.fields | {"account": SAM}
    )

    assert status == 403
    assert "form_forged" in text


async def test_switching_needs_no_provider_and_makes_a_new_session(
    world: World, browser: Browser
) -> None:
    page = await world.arrive(browser, "google", "sam")
    await browser.press(page, "Acme Support Desk")
    before = browser.cookies()["sonar_sso"]
    asked = world.standin.google.requests["authorize"]

    page = await browser.open("/sso/accounts?next=/calls")
    assert "Open now" in page.text
    switched = await browser.press(page, "Sam Rivera")

    assert switched.text == "Sonar /calls"
    assert world.standin.google.requests["authorize"] == asked
    assert browser.cookies()["sonar_sso"] != before
    assert list(await world.live()) == [SAM]
    async with Browser(world.origin) as thief:
        status, _, _ = await thief.request("GET", "/sso/me", cookies={"sonar_sso": before})
    assert status == 401


async def test_a_session_that_ends_while_its_person_switches_does_not_go_on(
    world: World, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed out in another tab, or revoked, in the moment before the new one is there."""
    await browser.press(await world.arrive(browser, "google", "sam"), "Acme Support Desk")
    page = await browser.open("/sso/accounts?next=/calls")
    (before,) = await world.store.all()
    create = world.store.create

    async def too_late(session: Session) -> None:
        await world.sessions.end(before.key)
        await create(session)

    monkeypatch.setattr(world.store, "create", too_late)
    await browser.press(page, "Sam Rivera")

    assert await world.store.all() == ()
    assert (await browser.request("GET", "/sso/me"))[0] == 401


async def test_switching_expires_sonars_own_cookies(world: World, browser: Browser) -> None:
    page = await world.arrive(browser, "google", "sam")
    await browser.press(page, "Acme Support Desk")
    page = await browser.open("/sso/accounts")
    form = page.form("Sam Rivera")

    _, headers, _ = await browser.request("POST", form.action, data=form.fields | {"account": SAM})

    cookies = headers.getall("Set-Cookie")  # type: ignore[attr-defined]
    assert any(cookie.startswith("SONARSESSID=; Path=/; Max-Age=0") for cookie in cookies)


async def test_choosing_the_account_that_is_open_just_goes_on(
    world: World, browser: Browser
) -> None:
    await world.arrive(browser, "google", "jo")
    before = browser.cookies()

    page = await browser.open("/sso/accounts?next=/calls")

    assert (await browser.press(page, "Jo March")).text == "Sonar /calls"
    assert browser.cookies() == before


async def test_who_is_not_signed_in_is_sent_to_the_sign_in_page_and_back(
    browser: Browser,
) -> None:
    page = await browser.open("/sso/accounts")

    assert page.path == "/sso/login"
    assert page.query == {"next": "/sso/accounts"}


async def test_a_directory_that_is_down_leaves_the_password_and_the_choice(
    world: World, browser: Browser
) -> None:
    page = await world.arrive(browser, "google", "sam", "/calls")
    await world.change_sonar("ALTER TABLE accounts RENAME TO gone")

    failed = await browser.press(page, "Sam Rivera")
    await world.change_sonar("ALTER TABLE gone RENAME TO accounts")
    chosen = await browser.press(page, "Sam Rivera")

    assert failed.status == 503
    assert "directory_unavailable" in failed.text
    assert chosen.text == "Sonar /calls"


async def test_switching_does_not_begin_the_lifetime_anew(world: World, browser: Browser) -> None:
    """Else whoever has two accounts would stay signed in for ever. Nor does it prove anything."""
    page = await world.arrive(browser, "google", "sam")
    await browser.press(page, "Sam Rivera")
    ((_, first),) = (await world.live()).items()
    world.clock.ahead += 3600

    await browser.press(await browser.open("/sso/accounts"), "Acme Support Desk")

    ((_, second),) = (await world.live()).items()
    assert second.key != first.key
    assert second.started == first.started
    assert second.proved == first.proved
