"""No account found: prove one with its password, once."""

import asyncio

import pytest

from demo.providers.faults import Fault
from gateway.policy.model import Policies
from tests.journeys.browser import Browser, Page
from tests.portal.world import PASSWORDS, World

NORA = {"username": "nlindqvist", "password": PASSWORDS["nlindqvist"]}


async def connect(browser: Browser, page: Page, **fields: str) -> Page:
    return await browser.press(page, "Link and sign in", **fields)


async def test_the_page_says_what_will_be_linked_to_what(world: World, browser: Browser) -> None:
    page = await world.arrive(browser, "google", "nora", "/calls")

    assert page.path == "/sso/link"
    assert "Google" in page.text
    assert "nora@acme.example" in page.text
    assert "select_account=1" in page.link("Use another Google account")
    assert page.link("Sonar password").endswith("/login?return_to=%2Fcalls")


async def test_the_password_links_once_and_signs_in(world: World, browser: Browser) -> None:
    page = await world.arrive(browser, "google", "nora", "/calls")

    linked = await connect(browser, page, **NORA)

    assert linked.text == "Sonar /calls"
    live = (await world.live())["1005"]
    (link,) = await world.links.links_of(live.identity.key)
    assert (link.account_id, link.provider, link.email) == ("1005", "google", "nora@acme.example")
    assert set(browser.cookies()) == {"sonar_sso"}
    async with Browser(world.origin) as later:
        assert (await world.arrive(later, "google", "nora", "/again")).text == "Sonar /again"


@pytest.mark.parametrize("person", ["milo", "eve"])
async def test_an_email_nobody_vouches_for_opens_only_what_is_proved(
    world: World, browser: Browser, person: str
) -> None:
    page = await world.arrive(browser, "microsoft", person)

    linked = await connect(browser, page, username="mhart", password=PASSWORDS["mhart"])

    assert linked.text == "Sonar /"
    assert list(await world.live()) == ["1017"]


async def test_the_recycled_mailboxs_new_owner_gets_only_what_they_prove(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    await world.arrive(browser, "google", "riley")
    page = await world.arrive(other_browser, "google", "riley-new")

    await connect(other_browser, page, **NORA)

    assert set(await world.live()) == {"1007", "1005"}
    async with Browser(world.origin) as later:
        await world.arrive(later, "google", "riley-new")
        assert (await world.store.all())[0].account.id == "1005"


@pytest.mark.parametrize(
    ("username", "password"),
    [("nlindqvist", "wrong"), ("nobody", "wrong"), ("", ""), ("nlindqvist", ""),
     ("nora.lindqvist@post.example", "north-light"), ("' OR '1'='1", "x"), ("nlindqvist%", "x")],
)  # fmt: skip
async def test_what_is_wrong_is_answered_alike_whether_the_name_exists(
    world: World, browser: Browser, username: str, password: str
) -> None:
    page = await world.arrive(browser, "google", "nora")

    again = await connect(browser, page, username=username, password=password)

    assert again.status == 403
    assert again.path == "/sso/link"
    assert 'role="alert"' in again.text
    assert again.form("Link and sign in").fields["username"] == username
    assert again.form("Link and sign in").fields["password"] == ""
    assert await world.live() == {}
    assert (await connect(browser, again, **NORA)).text == "Sonar /"


async def test_the_password_of_a_closed_account_opens_nothing(
    world: World, browser: Browser
) -> None:
    page = await world.arrive(browser, "google", "ivan")

    again = await connect(browser, page, username="ipetrov", password=PASSWORDS["ipetrov"])

    assert again.status == 403
    assert await world.live() == {}


async def test_a_form_without_its_page_changes_nothing(world: World, browser: Browser) -> None:
    page = await world.arrive(browser, "google", "nora")
    action = page.form("Link and sign in").action

    for target, expected in (
        ("/sso/link", 401),
        ("/sso/link?tx=AAAAAAAAAAAAAAAA", 400),
        (action, 403),
    ):
        status, _, _ = await browser.request("POST", target, data=NORA)

        assert status == expected, target
    assert await world.live() == {}


async def test_the_identity_is_not_in_the_form(world: World, browser: Browser) -> None:
    """Nor can another address be put into it on the way (CVE-2025-7365)."""
    page = await world.arrive(browser, "google", "nora")
    form = page.form("Link and sign in")

    status, _, text = await browser.request(
        "POST", form.action, data=form.fields | NORA | {"email": "jo@acme.example"}
    )

    assert set(form.fields) == {"token", "username", "password"}
    assert status == 400
    assert "request_malformed" in text


async def test_a_proof_is_good_for_one_link(world: World, browser: Browser) -> None:
    page = await world.arrive(browser, "google", "nora")
    form, cookies = page.form("Link and sign in"), browser.cookies()

    replies = await asyncio.gather(
        *(
            browser.request("POST", form.action, data=form.fields | NORA, cookies=cookies)
            for _ in range(3)
        )
    )

    assert sorted(status for status, _, _ in replies) == [303, 400, 400]
    assert len(await world.store.all()) == 1


async def test_a_proof_is_dead_after_the_link_was_removed(world: World, browser: Browser) -> None:
    page = await world.arrive(browser, "google", "nora")
    form, cookies = page.form("Link and sign in"), browser.cookies()
    await connect(browser, page, **NORA)
    settings = await browser.open("/sso/settings")
    await browser.press(settings, "Remove")

    async with Browser(world.origin) as replay:
        status, _, text = await replay.request(
            "POST", form.action, data=form.fields | NORA, cookies=cookies
        )

    assert status == 400
    assert "transaction_used" in text
    assert await world.live() == {}


async def test_a_policy_that_changed_meanwhile_counts(world: World, browser: Browser) -> None:
    page = await world.arrive(browser, "google", "nora")
    world.policies = Policies()

    refused = await connect(browser, page, **NORA)

    assert refused.status == 403
    assert "no_policy" in refused.text
    assert await world.live() == {}


async def test_guessing_is_stopped_even_with_the_right_password(
    world: World, browser: Browser
) -> None:
    page = await world.arrive(browser, "google", "nora")
    world.clock.stop()
    for _ in range(3):
        page = await connect(browser, page, username="nlindqvist", password="wrong")
        assert page.status == 403

    stopped = await connect(browser, page, **NORA)

    assert stopped.status == 429
    assert "You can try again in a minute." in stopped.text
    assert stopped.headers["Retry-After"] == "60"
    assert await world.live() == {}
    world.clock.ahead = 61
    now = int(world.clock())
    world.standin.google.fault = Fault(claims={"iat": now, "exp": now + 300})
    later = await world.arrive(browser, "google", "nora")
    assert (await connect(browser, later, **NORA)).text == "Sonar /"


async def test_who_is_signed_in_can_prove_another_account_and_is_in_it(
    world: World, browser: Browser
) -> None:
    await world.arrive(browser, "google", "jo")
    page = await browser.open("/sso/accounts?next=/calls")
    page = await browser.click(page, "Use another Sonar account")

    linked = await connect(browser, page, **NORA)

    assert linked.text == "Sonar /calls"
    assert list(await world.live()) == ["1005"]


async def test_who_is_not_signed_in_is_sent_to_the_sign_in_page(browser: Browser) -> None:
    assert (await browser.open("/sso/link")).path == "/sso/login"
