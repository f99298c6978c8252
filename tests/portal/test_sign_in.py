"""The sign-in page, the way to the provider and back, and what each answer leads to."""

import re
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from demo.providers.faults import ABSENT, Fault
from gateway.policy.model import Policies, Sso
from tests.journeys.browser import Browser
from tests.portal.world import World


async def test_the_sign_in_page_offers_each_provider_and_the_password(
    browser: Browser,
) -> None:
    page = await browser.open("/sso/login?next=/voicemail%3Fbox%3D7")

    assert page.status == 200
    next_path = "next=%2Fvoicemail%3Fbox%3D7"
    assert page.link("Sign in with Google").endswith(f"/sso/login/google?{next_path}")
    assert page.link("Sign in with Microsoft").endswith(f"/sso/login/microsoft?{next_path}")
    password = page.link("Sonar password")
    assert urlsplit(password).path == "/login"
    assert parse_qs(urlsplit(password).query) == {"return_to": ["/voicemail?box=7"]}


@pytest.mark.parametrize(
    "next_path", ["//evil.example", "https://evil.example/", "/\\evil.example"]
)
async def test_the_way_back_never_leaves_our_origin(browser: Browser, next_path: str) -> None:
    page = await browser.open(f"/sso/login?next={next_path}")

    assert "evil" not in page.text


async def test_two_ways_back_are_none(browser: Browser) -> None:
    page = await browser.open("/sso/login?next=/a&next=/b")

    assert page.link("Sign in with Google").endswith("/sso/login/google")


@pytest.mark.parametrize(
    ("provider", "person", "account"),
    [("google", "jo", "1001"), ("google", "alex", "1013"), ("microsoft", "mara", "1016"),
     ("microsoft", "gina", "2004"), ("google", "kim", "5001"), ("google", "vince", "3002")],
)  # fmt: skip
async def test_one_match_is_signed_in_and_lands_where_they_meant_to_go(
    world: World, browser: Browser, provider: str, person: str, account: str
) -> None:
    page = await world.arrive(browser, provider, person, "/voicemail%3Fbox%3D7")

    assert page.status == 200
    assert page.text == "Sonar /voicemail?box=7"
    assert list(await world.live()) == [account]
    assert set(browser.cookies()) == {"sonar_sso"}


@pytest.mark.parametrize(
    ("provider", "person", "reason", "came"),
    [
        ("google", "blake", "blocked_user", "with Google as blake@acme.example."),
        ("google", "fred", "not_pilot_user", "with Google as fred@globex.example."),
        ("google", "sales", "shared_mailbox_refused", "with Google as sales@globex.example."),
        ("google", "peter", "domain_off", "with Google as peter@initech.example."),
        ("google", "una", "no_policy", "with Google as una@unknown.example."),
        ("microsoft", "noel", "email_missing", ""),
        ("microsoft", "uma", "provider_not_allowed", "with Microsoft as uma@umbrella.example."),
    ],
)
async def test_who_may_not_is_told_why_and_what_to_do(
    world: World, browser: Browser, provider: str, person: str, reason: str, came: str
) -> None:
    page = await world.arrive(browser, provider, person, "/calls")

    assert page.status == 403
    assert reason in page.text
    words = re.sub("<[^>]*>", "", page.text)
    assert f"You came {came}" in words if came else "You came" not in words
    assert page.link("Sonar password").endswith("/login?return_to=%2Fcalls")
    assert "select_account=1" in page.link(f"another {provider.capitalize()} account")
    assert await world.live() == {}


@pytest.mark.parametrize(
    ("provider", "person", "reason", "cause"),
    [
        ("google", "nora", "no_account", "/sso/link"),
        ("google", "ivan", "account_inactive", "/sso/link"),
        ("google", "info", "shared_mailbox", "/sso/link"),
        ("google", "ada", "email_untrusted", "/sso/link"),
        ("microsoft", "eve", "email_untrusted", "/sso/link"),
        ("google", "sam", "several_accounts", "/sso/accounts"),
    ],
)
async def test_who_must_prove_or_choose_is_asked(
    world: World, browser: Browser, provider: str, person: str, reason: str, cause: str
) -> None:
    page = await world.arrive(browser, provider, person)

    assert page.status == 200, reason
    assert page.path == cause
    assert await world.live() == {}
    assert len(browser.cookies()) == 1


async def test_a_recycled_mailbox_must_prove_the_password(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    first = await world.arrive(browser, "google", "riley")
    second = await world.arrive(other_browser, "google", "riley-new")

    assert first.text == "Sonar /"
    assert second.path == "/sso/link"


async def test_a_username_that_is_somebodys_address_finds_nobody(
    world: World, browser: Browser
) -> None:
    """CVE-2021-3754: whoever may choose a username chooses the victim's email."""
    await world.change_sonar("UPDATE accounts SET username = 'nora@acme.example' WHERE id = 1014")

    page = await world.arrive(browser, "google", "nora")

    assert page.path == "/sso/link"
    assert await world.live() == {}


async def test_an_unknown_provider_is_no_page(browser: Browser) -> None:
    for path in ("/sso/login/yahoo", "/sso/callback/yahoo?state=x&code=y"):
        page = await browser.open(path)

        assert page.status == 404
        assert "provider_unknown" in page.text


async def test_who_is_signed_in_goes_on_unless_they_come_to_switch(
    world: World, browser: Browser
) -> None:
    await world.arrive(browser, "google", "jo")

    assert (await browser.open("/sso/login?next=/calls")).text == "Sonar /calls"
    assert "Sign in with Google" in (await browser.open("/sso/login?next=/calls&switch=1")).text


async def test_who_is_signed_in_but_no_longer_allowed_is_not_sent_round_in_circles(
    world: World, browser: Browser
) -> None:
    await world.arrive(browser, "google", "jo")
    acme = world.policies.by_domain["acme.example"]
    world.policies = Policies({"acme.example": replace(acme, sso=Sso.OFF)})

    page = await browser.open("/sso/login?next=/calls")

    assert "Sign in with Google" in page.text


async def test_another_account_asks_the_provider_which(world: World, browser: Browser) -> None:
    page = await browser.open("/sso/login/google?select_account=1&login_hint=jo@acme.example")

    asked = parse_qs(urlsplit(page.url).query)
    assert asked["prompt"] == ["select_account"]
    assert asked["login_hint"] == ["jo@acme.example"]


# The browser's side: state, cookies, single use.


async def callback_of(world: World, browser: Browser, person: str = "jo") -> str:
    """The address the provider sends the browser to, not yet opened."""
    page = await browser.open("/sso/login/google?next=/calls")
    form = page.form("Jo March")
    status, headers, _ = await browser.request(
        "POST", page.url, data=form.fields | {"person": person}
    )
    assert status == 303
    return headers["Location"]


async def test_a_callback_works_once(world: World, browser: Browser) -> None:
    address = await callback_of(world, browser)
    before = browser.cookies()

    first = await browser.open(address)
    status, _, text = await browser.request("GET", address, cookies=before)

    assert first.text == "Sonar /calls"
    assert status == 400
    assert "transaction_used" in text
    assert "/sso/login?next=%2Fcalls" in text


async def test_back_after_signing_in_is_a_page_that_leads_on(
    world: World, browser: Browser
) -> None:
    address = await callback_of(world, browser)
    await browser.open(address)

    again = await browser.open(address)

    assert again.status == 400
    assert "transaction_unknown" in again.text
    assert (await browser.click(again, "Start over")).text == "Sonar /"


async def test_another_browser_cannot_use_a_callback(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    """Login CSRF: the attacker's own sign-in, opened in the victim's browser."""
    address = await callback_of(world, browser)

    page = await other_browser.open(address)

    assert page.status == 400
    assert "transaction_unknown" in page.text
    assert other_browser.cookies() == {}
    assert (await browser.open(address)).text == "Sonar /calls"


async def test_a_callback_that_comes_too_late_says_so(world: World, browser: Browser) -> None:
    address = await callback_of(world, browser)
    world.clock.ahead = 601

    page = await browser.open(address)

    assert page.status == 400
    assert "transaction_expired" in page.text
    assert page.link("Start over").endswith("/sso/login?next=%2Fcalls")


@pytest.mark.parametrize("change", ["", "x", "&state=another", "&state="])
async def test_a_changed_or_second_state_is_refused(
    world: World, browser: Browser, change: str
) -> None:
    parts = urlsplit(await callback_of(world, browser))
    state = parse_qs(parts.query)["state"][0]
    query = parts.query.replace(state, "") if change == "" else parts.query
    query = query.replace(state, state + "x") if change == "x" else query + change

    page = await browser.open(f"/sso/callback/google?{query}")

    assert page.status == 400
    assert "transaction_unknown" in page.text or "callback_malformed" in page.text
    assert await world.live() == {}


async def test_a_callback_without_anything_is_refused(browser: Browser) -> None:
    page = await browser.open("/sso/callback/google")

    assert page.status == 400
    assert "callback_malformed" in page.text


async def test_one_providers_answer_at_the_others_callback_is_refused(
    world: World, browser: Browser
) -> None:
    address = await callback_of(world, browser)

    page = await browser.open(address.replace("/callback/google", "/callback/microsoft"))

    assert page.status == 400
    assert "callback_malformed" in page.text
    assert world.standin.microsoft.requests["token"] == 0


async def test_a_second_code_is_refused(world: World, browser: Browser) -> None:
    page = await browser.open(f"{await callback_of(world, browser)}&code=another")

    assert page.status in {400, 403}
    assert "callback_malformed" in page.text
    assert await world.live() == {}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD"])
async def test_the_callback_is_for_get_only(world: World, browser: Browser, method: str) -> None:
    address = await callback_of(world, browser)

    status, headers, _ = await browser.request(method, address, data=b"\xff\x00garbage")

    assert status == 405
    assert headers["Allow"] == "GET"
    assert (await browser.open(address)).text == "Sonar /calls"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(response={"code": ABSENT, "error": "server_error"}), "provider_error"),
        (Fault(claims={"nonce": "another"}), "token_nonce"),
        (Fault(claims={"aud": "another"}), "token_audience"),
    ],
)
async def test_an_answer_that_does_not_hold_is_refused(
    world: World, browser: Browser, fault: Fault, reason: str
) -> None:
    world.standin.google.fault = fault
    page = await world.arrive(browser, "google", "jo", "/calls")

    assert page.status == 403
    assert reason in page.text
    assert page.link("Start over").endswith("/sso/login?next=%2Fcalls")
    assert browser.cookies() == {}


async def test_who_cancels_at_the_provider_can_start_over(world: World, browser: Browser) -> None:
    page = await browser.open("/sso/login/google?next=/calls")
    page = await browser.press(page, "Cancel")

    assert page.status == 403
    assert "provider_denied" in page.text
    assert page.link("Start over").endswith("/sso/login?next=%2Fcalls")


async def test_a_provider_that_is_down_leaves_the_password(world: World, browser: Browser) -> None:
    world.standin.google.down = True

    page = await browser.open("/sso/login/google?next=/calls")

    assert page.status == 503
    assert "provider_unavailable" in page.text
    assert page.headers["Retry-After"] == "30"
    assert page.link("Sonar password").endswith("/login?return_to=%2Fcalls")
    assert browser.cookies() == {}


async def test_a_session_store_that_goes_away_half_way_keeps_the_way_back(
    world: World, browser: Browser
) -> None:
    address = await callback_of(world, browser)
    await world.change_own("sessions.db", "ALTER TABLE claims RENAME TO gone")

    page = await browser.open(address)

    assert page.status == 503
    assert "sessions_unavailable" in page.text
    assert page.link("Try again").endswith("/sso/login?next=%2Fcalls")
    assert world.standin.google.requests["token"] == 0


async def test_a_provider_that_goes_down_half_way_keeps_the_way_back(
    world: World, browser: Browser
) -> None:
    address = await callback_of(world, browser)
    world.standin.google.down = True

    page = await browser.open(address)

    assert page.status == 503
    assert page.link("Try again").endswith("/sso/login?next=%2Fcalls")


async def test_two_tabs_sign_in_at_once(world: World, browser: Browser) -> None:
    first = await browser.open("/sso/login/google?next=/first")
    second = await browser.open("/sso/login/google?next=/second")
    assert len(browser.cookies()) == 2

    assert (await world.pick(browser, first, "jo")).text == "Sonar /first"
    assert (await world.pick(browser, second, "jo")).text == "Sonar /second"
    assert len(await world.store.all()) == 1


async def test_forgotten_tabs_do_not_pile_up(browser: Browser) -> None:
    for _ in range(8):
        await browser.open("/sso/login/google")

    assert len(browser.cookies()) == 5


async def test_many_cookies_still_fit(browser: Browser, world: World) -> None:
    many = "; ".join(f"legacy{number}={'x' * 1000}" for number in range(25))

    status, _, _ = await browser.request("GET", "/sso/login", headers={"Cookie": many})

    assert status == 200


async def test_who_comes_for_the_settings_is_told_what_for_and_has_a_way_back(
    browser: Browser,
) -> None:
    """A password user who follows the part on Sonar's profile page must not go in a circle."""
    page = await browser.open("/sso/settings")
    assert "Set up single sign-on" in page.text
    assert page.link("Back to your profile").endswith("/profile")
    assert "/login?return_to" not in page.text


async def test_a_refusal_on_the_way_to_the_settings_leads_back_to_the_profile(
    world: World, browser: Browser
) -> None:
    page = await world.arrive(browser, "google", "fred", "/sso/settings")
    assert "not_pilot_user" in page.text
    assert page.link("Back to your profile").endswith("/profile")
    assert "return_to" not in page.text


async def test_who_came_with_the_wrong_provider_is_offered_the_right_one(
    world: World, browser: Browser
) -> None:
    page = await world.arrive(browser, "microsoft", "uma", "/calls")
    assert "provider_not_allowed" in page.text
    assert page.link("Sign in with Google").endswith("/sso/login/google?next=%2Fcalls")
