"""One's own links and matches: see, add, remove, turn on again."""

import pytest
from structlog.testing import capture_logs

from gateway.account.model import Link
from gateway.identity.model import IdentityKey
from gateway.policy.model import Policies
from gateway.session.model import Session, link_label
from tests.journeys.browser import Browser, Page
from tests.portal.logouts import subject
from tests.portal.world import PASSWORDS, World
from tests.session.samples import settled, until

NORA = {"username": "nlindqvist", "password": PASSWORDS["nlindqvist"]}


async def settings_of(world: World, browser: Browser, person: str = "jo") -> Page:
    await world.arrive(browser, "google", person)
    page = await browser.open("/sso/settings")
    assert page.status == 200
    return page


async def test_a_match_is_shown_with_what_found_it(world: World, browser: Browser) -> None:
    page = await settings_of(world, browser)

    assert "Jo March" in page.text
    assert "jo@acme.example" in page.text
    assert "Google" in page.text
    assert "the email address Sonar has for it" in page.text
    assert "Open now" in page.text
    assert page.link("Back to Sonar").endswith("/profile")


async def test_a_link_is_added_by_its_password_and_shown_since_when(
    world: World, browser: Browser
) -> None:
    page = await settings_of(world, browser)

    added = await browser.press(page, "Add account", **NORA)

    assert added.status == 200
    assert added.query == {"done": "added"}
    assert 'role="status"' in added.text
    assert "Nora Lindqvist" in added.text
    assert "not yet" in added.text
    assert list(await world.live()) == ["1001"], "adding is not switching"


async def test_the_last_use_of_a_link_is_shown(world: World, browser: Browser) -> None:
    page = await settings_of(world, browser)
    await browser.press(page, "Add account", **NORA)
    await browser.press(await browser.open("/sso/accounts"), "Nora Lindqvist")

    page = await browser.open("/sso/settings")

    assert "not yet" not in page.text
    assert "Last used" in page.text


async def test_a_wrong_password_adds_nothing_and_says_so(world: World, browser: Browser) -> None:
    page = await settings_of(world, browser)

    again = await browser.press(page, "Add account", username="nlindqvist", password="wrong")

    assert again.status == 403
    assert "<title>Error: Single Sign-On" in again.text
    before, _, after = again.text.partition('role="alert" id="wrong"')
    assert "Add an account" in before, "it stands where the form is"
    assert after.count('aria-invalid="true" aria-describedby="wrong"') == 2
    assert "autofocus" in after
    assert "aria-invalid" not in page.text
    assert again.form("Add account").fields["username"] == "nlindqvist"
    live = (await world.live())["1001"]
    assert await world.links.links_of(live.identity.key) == ()


async def test_adding_is_throttled(world: World, browser: Browser) -> None:
    page = await settings_of(world, browser)
    for _ in range(3):
        page = await browser.press(page, "Add account", username="nlindqvist", password="wrong")

    assert (await browser.press(page, "Add account", **NORA)).status == 429


async def test_removing_the_open_account_signs_out_everywhere(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    await world.arrive(other_browser, "google", "jo")
    page = await settings_of(world, browser)

    out = await browser.press(page, "Remove and sign out")

    assert out.path == "/sso/logout"
    assert "signed out" in out.text
    assert await world.live() == {}
    assert browser.cookies() == {}
    status, _, _ = await other_browser.request("GET", "/sso/me")
    assert status == 401


async def test_a_removal_is_recorded_though_its_sessions_end_later(
    world: World, browser: Browser
) -> None:
    page = await settings_of(world, browser)
    await world.change_own("sessions.db", "ALTER TABLE labels RENAME TO mislaid")

    with capture_logs() as logs:
        out = await browser.press(page, "Remove and sign out")

    assert (out.status, "sessions_unavailable" in out.text) == (503, True)
    assert [entry["account"] for entry in logs if entry["event"] == "link_removed"] == ["1001"]
    await world.change_own("sessions.db", "ALTER TABLE mislaid RENAME TO labels")
    await until(lambda: settled(world.sessions))
    assert await world.live() == {}


async def test_a_removed_match_stays_away_until_its_password_is_given(
    world: World, browser: Browser
) -> None:
    await browser.press(await settings_of(world, browser), "Remove and sign out")

    page = await world.arrive(browser, "google", "jo", "/calls")
    assert page.path == "/sso/link"
    assert await world.live() == {}

    back = await browser.press(
        page, "Link and sign in", username="jmarch", password=PASSWORDS["jmarch"]
    )
    assert back.text == "Sonar /calls"


async def test_removing_another_account_ends_its_sessions_only(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    page = await settings_of(world, browser)
    await browser.press(page, "Add account", **NORA)
    page = await world.arrive(other_browser, "google", "jo")
    await other_browser.press(page, "Nora Lindqvist")
    assert set(await world.live()) == {"1001", "1005"}
    token = (await browser.open("/sso/settings")).form("Remove").fields["token"]

    status, headers, _ = await browser.request(
        "POST", "/sso/settings/links/remove", data={"token": token, "account": "1005"}
    )

    assert (status, headers["Location"]) == (303, "/sso/settings?done=removed")
    assert list(await world.live()) == ["1001"]
    assert "Removed" in (await browser.open("/sso/settings")).text
    status, _, _ = await other_browser.request("GET", "/sso/me")
    assert status == 401


@pytest.mark.parametrize("linked", [False, True])
async def test_removed_in_the_moment_before_the_session_it_opens_nothing(
    world: World, browser: Browser, monkeypatch: pytest.MonkeyPatch, linked: bool
) -> None:
    """Whoever removes it, its owner or an operator, ends the sessions that are there; the one that
    is just being made, by what was true a moment ago, is not among them."""
    key, create = IdentityKey(world.standin.google.base, subject("jo")), world.store.create
    if linked:
        await world.links.add(Link(key, "1001", "google", "jo@acme.example", 1.0, None))

    async def a_moment_later(session: Session) -> None:
        await world.links.remove(key, "1001", world.clock())
        await world.sessions.end_labelled(link_label(key, "1001"))
        await create(session)

    monkeypatch.setattr(world.store, "create", a_moment_later)
    page = await world.arrive(browser, "google", "jo")

    assert (page.status, "account_not_offered" in page.text) == (403, True)
    assert await world.store.all() == ()
    assert "sonar_sso" not in browser.cookies()


async def test_a_removed_account_is_turned_on_again_with_its_password(
    world: World, browser: Browser
) -> None:
    page = await settings_of(world, browser)
    await browser.press(page, "Add account", **NORA)
    page = await browser.press(await browser.open("/sso/settings"), "Remove")
    assert "Turn on again" in page.text

    wrong = await browser.press(page, "Turn on again", password="wrong")
    assert wrong.status == 403
    assert "Turn on again" in wrong.text
    right = await browser.press(wrong, "Turn on again", password=PASSWORDS["nlindqvist"])

    assert right.status == 200
    assert "Turn on again" not in right.text


async def test_what_is_not_ones_own_cannot_be_removed(world: World, browser: Browser) -> None:
    page = await settings_of(world, browser)
    token = page.form("Remove").fields["token"]
    for account in ("1005", "", "nonsense"):
        status, _, text = await browser.request(
            "POST", "/sso/settings/links/remove", data={"token": token, "account": account}
        )

        assert status == 403, account
        assert "account_not_offered" in text
    live = (await world.live())["1001"]
    assert await world.links.removed_of(live.identity.key) == {}


async def test_forms_without_their_page_or_from_elsewhere_change_nothing(
    world: World, browser: Browser
) -> None:
    page = await settings_of(world, browser)
    token = page.form("Remove").fields["token"]
    forged = [
        ({"account": "1001"}, {}),
        ({"account": "1001", "token": "x"}, {}),
        ({"account": "1001", "token": token}, {"Origin": "https://evil.example"}),
        ({"account": "1001", "token": token}, {"Sec-Fetch-Site": "cross-site"}),
    ]
    for body, headers in forged:
        status, _, text = await browser.request(
            "POST", "/sso/settings/links/remove", data=body, headers=headers
        )

        assert status == 403
        assert "form_forged" in text
    assert list(await world.live()) == ["1001"]


async def test_another_sessions_token_is_not_good(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    """The attacker has a session of their own, and its token."""
    await settings_of(world, browser)
    theirs = await settings_of(world, other_browser, "alex")
    token = theirs.form("Remove").fields["token"]

    status, _, text = await browser.request(
        "POST", "/sso/settings/links/remove", data={"token": token, "account": "1001"}
    )

    assert status == 403
    assert "form_forged" in text


async def test_who_is_not_signed_in_is_sent_to_the_sign_in_page_and_back(
    browser: Browser,
) -> None:
    page = await browser.open("/sso/settings")
    assert page.path == "/sso/login"
    assert page.query == {"next": "/sso/settings"}

    for path in ("/sso/settings/links/add", "/sso/settings/links/remove"):
        status, _, text = await browser.request("POST", path, data={"account": "1001"})
        assert status == 401
        assert "session_expired" in text
        assert "/sso/login?next=/sso/settings" in text.replace("%2F", "/")


async def test_who_is_no_longer_allowed_sees_no_settings(world: World, browser: Browser) -> None:
    await settings_of(world, browser)
    world.policies = Policies()

    assert (await browser.open("/sso/settings")).path == "/sso/login"


async def test_the_notice_says_nothing_an_address_made_up(world: World, browser: Browser) -> None:
    await settings_of(world, browser)

    page = await browser.open("/sso/settings?done=<script>alert(1)</script>")

    assert "<script" not in page.text
    assert 'role="status"' not in page.text


async def test_names_from_sonar_are_text_and_nothing_else(world: World, browser: Browser) -> None:
    name = '"><script>alert(1)</script>'
    await world.change_sonar("UPDATE accounts SET display_name = ? WHERE id = 1001", name)

    page = await settings_of(world, browser)

    assert "<script" not in page.text
    assert "&lt;script&gt;" in page.text


async def test_a_page_links_once_and_not_what_was_unlinked_meanwhile(
    world: World, browser: Browser
) -> None:
    """A browser's back button and reload send a form again, password and all."""
    await world.arrive(browser, "google", "jo")
    form = (await browser.open("/sso/settings")).form("Add account")
    sent = form.fields | NORA
    assert (await browser.request("POST", form.action, data=sent))[0] == 303
    await browser.press(await browser.open("/sso/settings"), "Remove")

    status, _, text = await browser.request("POST", form.action, data=sent)

    assert (status, "form_forged" in text) == (403, True)
    (session,) = await world.store.all()
    assert await world.links.links_of(session.identity.key) == ()


async def test_a_page_links_for_ten_minutes(world: World, browser: Browser) -> None:
    await world.arrive(browser, "google", "jo")
    form = (await browser.open("/sso/settings")).form("Add account")
    world.clock.ahead = 601

    status, _, text = await browser.request("POST", form.action, data=form.fields | NORA)

    assert (status, "form_forged" in text) == (403, True)
    again = await browser.press(await browser.open("/sso/settings"), "Add account", **NORA)
    assert "linked" in again.text


@pytest.mark.parametrize(
    "typed", ["", "\0", "x\0", "p" * 10_000, "😀" * 10_000, "A\u030a", "\u202e", " " * 72]
)
async def test_whatever_is_typed_is_wrong_and_no_more(
    world: World, browser: Browser, typed: str
) -> None:
    await world.arrive(browser, "google", "jo")
    for name in ("nlindqvist", "nobody", "nobody\0"):
        settings = await browser.open("/sso/settings")
        page = await browser.press(settings, "Add account", username=name, password=typed)
        assert page.status == 403
        assert "Username or password is wrong" in page.text
        await world.forget_attempts("password:")
