"""A fresh proof before pages that can do harm: what counts as one, and what nothing can replace."""

import time
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from demo.providers.faults import ABSENT, Fault
from gateway.reasons import Reason
from gateway.session.model import Session
from tests.journeys.browser import Browser, Page
from tests.portal.world import PASSWORDS, World

MARA = PASSWORDS["mjensen"]
JO = PASSWORDS["jmarch"]
SAM = PASSWORDS["srivera"]
NORA = {"username": "nlindqvist", "password": PASSWORDS["nlindqvist"]}


def says(world: World, **claims: object) -> None:
    """What both providers say from now on."""
    fault = Fault(claims=claims)
    world.standin.google.fault = world.standin.microsoft.fault = fault


async def stale(world: World, browser: Browser, provider: str, person: str) -> Session:
    """Somebody signed in who proved who they are an hour ago."""
    says(world, auth_time=int(time.time()) - 3600)
    await world.arrive(browser, provider, person)
    says(world)
    return await only(world)


async def only(world: World) -> Session:
    (session,) = (await world.live()).values()
    return session


async def test_who_proved_it_lately_is_not_asked(world: World, browser: Browser) -> None:
    await world.arrive(browser, "microsoft", "mara")

    assert (await browser.open("/sso/settings?done=added")).status == 200
    assert world.standin.microsoft.requests["authorize"] == 2, "the picker and the pick, once"


async def test_the_provider_is_made_to_ask_and_they_come_back_to_where_they_were(
    world: World, browser: Browser
) -> None:
    before = await stale(world, browser, "microsoft", "mara")
    cookie = browser.cookies()["sonar_sso"]

    page = await browser.open("/sso/settings?done=added")
    asked = world.standin.microsoft.asked[-1]
    assert (asked["max_age"], asked["prompt"]) == ("900", "login")
    assert asked["login_hint"] == "mara@acme.example"
    with capture_logs() as logs:
        page = await world.pick(browser, page, "mara")

    assert (page.status, page.path, page.query) == (200, "/sso/settings", {"done": "added"})
    after = await only(world)
    assert (after.key, after.started, after.account) == (before.key, before.started, before.account)
    assert after.auth_time == pytest.approx(time.time(), abs=60)
    assert browser.cookies()["sonar_sso"] == cookie
    (told,) = [line for line in logs if line["event"] == "proof_given"]
    assert told["detail"] == {"by": "provider"}


async def test_another_identity_replaces_nothing(world: World, browser: Browser) -> None:
    before = await stale(world, browser, "microsoft", "mara")
    page = await browser.open("/sso/settings")

    refused = await world.pick(browser, page, "gina")

    assert refused.path == "/sso/confirm"
    assert "That was somebody else" in refused.text
    assert await only(world) == before
    assert (await browser.open("/sso/me")).status == 200
    assert not (await browser.open("/sso/settings")).url.startswith(world.origin), "still asked"


@pytest.mark.parametrize("auth_time", [ABSENT, 1_000_000_000])
async def test_a_provider_that_knows_them_still_has_proved_nothing(
    world: World, browser: Browser, auth_time: object
) -> None:
    """The browser can leave `max_age` and `prompt=login` out of the address, and come back."""
    await stale(world, browser, "microsoft", "mara")
    page = await browser.open("/sso/settings")
    says(world, auth_time=auth_time)

    refused = await world.pick(browser, page, "mara")

    assert refused.path == "/sso/confirm"
    assert "your provider did not confirm that" in refused.text
    assert not (await browser.open("/sso/settings")).url.startswith(world.origin), "still asked"


async def test_who_gives_up_at_the_provider_may_type_the_password(
    world: World, browser: Browser
) -> None:
    await stale(world, browser, "microsoft", "mara")
    page = await browser.open("/sso/settings")
    refused = await browser.press(page, "Cancel")
    assert refused.path == "/sso/confirm"

    page = await browser.press(refused, "Confirm", password=MARA)

    assert (page.status, page.path) == (200, "/sso/settings")
    after = await only(world)
    assert after.proved == after.password_at == pytest.approx(time.time(), abs=60)


async def test_google_cannot_be_made_to_ask_so_it_is_the_password(
    world: World, browser: Browser
) -> None:
    world.standin.google.tells_auth_time = False
    await world.arrive(browser, "google", "jo")
    page = await browser.open("/sso/settings")
    assert (page.status, page.path) == (200, "/sso/confirm")

    wrong = await browser.press(page, "Confirm", password="wrong")
    assert wrong.status == 403
    assert "The password is wrong" in wrong.text
    assert "username" not in wrong.text.lower().partition("<main")[2].partition("<form")[0]
    assert (await browser.press(wrong, "Confirm", password=JO)).path == "/sso/settings"

    session = await only(world)
    assert session.identity.auth_time is None
    assert session.auth_time == session.password_at


async def test_google_is_believed_when_it_says_that_it_was_lately(
    world: World, browser: Browser
) -> None:
    """To verified applications it says so: who signed in there again need not type a password."""
    await stale(world, browser, "google", "jo")
    page = await browser.open("/sso/settings")

    page = await browser.click(page, "Confirm with Google")
    assert "prompt" not in world.standin.google.asked[-1]

    assert (await world.pick(browser, page, "jo")).path == "/sso/settings"


async def test_wrong_passwords_are_throttled(world: World, browser: Browser) -> None:
    world.standin.google.tells_auth_time = False
    await world.arrive(browser, "google", "jo")
    page = await browser.open("/sso/settings")
    for _ in range(3):
        page = await browser.press(page, "Confirm", password="wrong")

    assert (await browser.press(page, "Confirm", password=JO)).status == 429


async def test_a_stranger_who_keeps_guessing_keeps_nobody_from_their_settings(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    world.standin.google.tells_auth_time = False
    await world.arrive(browser, "google", "jo")
    page = await world.arrive(other_browser, "google", "vera")
    for status in (403, 403, 403, 429):
        guess = {"username": "jmarch", "password": "wrong"}
        assert (await other_browser.press(page, "Link and sign in", **guess)).status == status

    page = await browser.open("/sso/settings")

    assert (await browser.press(page, "Confirm", password=JO)).path == "/sso/settings"


@pytest.mark.parametrize("form", ["links/add", "links/remove"])
async def test_a_form_is_not_taken_and_leads_back_to_its_page(
    world: World, browser: Browser, form: str
) -> None:
    """The proof may get too old while somebody looks at the page."""
    await world.arrive(browser, "google", "jo")
    page = await browser.open("/sso/settings")
    world.clock.ahead += 1000
    button = "Add account" if form == "links/add" else "Remove"
    nora = {"username": "nlindqvist", "password": PASSWORDS["nlindqvist"]}

    asked = await browser.press(page, button, **(nora if form == "links/add" else {}))

    assert asked.status == 403
    assert Reason.PROOF_STALE in asked.text
    assert urlsplit(asked.link("Confirm that it is you")).query == "next=%2Fsso%2Fsettings"
    assert await world.links.links_of((await only(world)).identity.key) == ()
    assert await world.links.removed_of((await only(world)).identity.key) == {}


async def test_a_proof_of_another_session_is_none(world: World, browser: Browser) -> None:
    """Begun in one session, ended in the next one of the same browser."""
    await stale(world, browser, "microsoft", "mara")
    trip = await browser.open("/sso/settings")
    says(world, auth_time=int(time.time()) - 3600)
    await world.arrive(browser, "google", "jo")
    says(world)

    page = await world.pick(browser, trip, "mara")

    assert page.path == "/sso/confirm"
    session = await only(world)
    assert session.account.id == "1001"
    assert session.proved == pytest.approx(time.time() - 3600, abs=60)


async def test_another_account_cannot_be_added_by_who_is_asked(
    world: World, browser: Browser
) -> None:
    """Whoever sits down at the computer has an account of their own, whose password would be a
    proof from then on."""
    world.standin.google.tells_auth_time = False
    await world.arrive(browser, "google", "jo")

    assert (await browser.open("/sso/link")).path == "/sso/confirm"
    assert (await browser.open("/sso/link?next=/a&tx=x&tx=y")).path == "/sso/confirm"

    await world.sessions.changes.prove((await only(world)).key, password_at=world.clock())
    page = await browser.open("/sso/link?next=/calls")
    world.clock.ahead += 1000
    refused = await browser.press(page, "Link and sign in", **NORA)

    assert Reason.PROOF_STALE in refused.text
    assert await world.links.links_of((await only(world)).identity.key) == ()
    assert (await only(world)).account.username == "jmarch"


async def test_nor_on_the_way_in(world: World, browser: Browser) -> None:
    """The provider lets them in without a question, as far as the page that asks which account."""
    world.standin.google.tells_auth_time = False
    page = await world.arrive(browser, "google", "sam")
    page = await browser.click(page, "Use another Sonar account")

    refused = await browser.press(page, "Link and sign in", **NORA)

    assert (refused.status, "did not confirm that" in refused.text) == (403, True)
    assert await world.live() == {}
    await browser.press(page, "Link and sign in", username="srivera", password=SAM)
    sam = await only(world)
    assert [link.account_id for link in await world.links.links_of(sam.identity.key)] == [
        sam.account.id
    ]


async def test_nobody_is_asked_who_is_not_signed_in(world: World, browser: Browser) -> None:
    assert (await browser.open("/sso/settings")).path == "/sso/login"
    assert (await browser.open("/sso/confirm?next=/sso/settings")).path == "/sso/login"


async def test_a_provider_that_is_down_leaves_the_password(world: World, browser: Browser) -> None:
    await stale(world, browser, "microsoft", "mara")
    provider = world.providers.get("microsoft")
    assert provider is not None
    provider._published._document._value = None
    world.standin.microsoft.down = True

    page = await browser.open("/sso/settings")

    assert page.path == "/sso/confirm"
    assert (await browser.press(page, "Confirm", password=MARA)).path == "/sso/settings"


async def test_the_address_cannot_make_the_page_say_anything(
    world: World, browser: Browser
) -> None:
    await stale(world, browser, "google", "jo")
    page = await browser.open("/sso/confirm?refused=%3Cb%3Eyour+account+was+hacked")
    assert "hacked" not in page.text
    page = await browser.open("/sso/confirm?next=https://evil.example/")
    assert "evil" not in page.text


async def test_another_process_knows_of_the_proof(world: World, browser: Browser) -> None:
    """What this process remembers is old; the store says what another one was told."""
    before = await stale(world, browser, "google", "jo")
    other = world.another_process()
    await other.start()
    await other.changes.prove(before.key, password_at=time.time())
    await other.stop()

    assert (await browser.open("/sso/settings")).path == "/sso/settings"


async def test_pages_say_which_account_is_meant(world: World, browser: Browser) -> None:
    await stale(world, browser, "google", "jo")
    page: Page = await browser.open("/sso/settings")
    assert "jmarch" in page.text
