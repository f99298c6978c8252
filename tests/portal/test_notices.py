"""The owner hears of a new link at the next sign-in, and undoes it there."""

from http.cookies import SimpleCookie

from yarl import URL

from demo.people import PEOPLE
from gateway.account.password_reader import LIFETIME, PasswordReader, PasswordReaders
from gateway.portal.parts import PORTAL
from gateway.session.cookie import SEALED_PREFIX, CookieNames
from tests.journeys.browser import Browser, Page
from tests.portal.world import PASSWORDS, World

THEIRS = {"username": "jmarch", "password": PASSWORDS["jmarch"]}


async def link_jos_account(world: World, browser: Browser) -> Page:
    """Vera, who somehow knows Jo's password, links Jo's account to her own Google account."""
    page = await world.arrive(browser, "google", "vera")
    return await browser.press(page, "Link and sign in", **THEIRS)


async def test_the_owner_hears_of_it_on_the_way_in_and_takes_it_away(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    assert (await link_jos_account(world, other_browser)).text == "Sonar /", "who did it knows"

    page = await world.arrive(browser, "google", "jo", "/calls%3Fpage%3D2")

    assert page.path == "/sso/notices"
    vera = next(person for person in PEOPLE if person.id == "vera")
    for told in ("A new way to sign in", "jmarch", "Google", "UTC"):
        assert told in page.text
    assert str(vera.email) in page.text
    page = await browser.press(page, "No, take it away")
    assert "no longer opens this account" in page.text
    assert "<title>Please change your password" in page.text
    assert page.link("your profile in Sonar").endswith("/profile")
    assert (await browser.click(page, "Go on to Sonar")).text == "Sonar /calls?page=2"
    assert (await other_browser.request("GET", "/sso/me"))[0] == 401, "and whoever was in is out"
    later = await world.arrive(other_browser, "google", "vera")
    assert later.path == "/sso/link"


async def test_it_is_told_at_each_sign_in_until_who_signs_in_has_read_it(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    await link_jos_account(world, other_browser)
    for _ in range(2):
        page = await world.arrive(browser, "google", "jo", "/calls")
        assert page.path == "/sso/notices"
        assert (await browser.click(page, "Decide later")).text == "Sonar /calls"

    page = await world.arrive(browser, "google", "jo", "/calls")
    assert (await browser.press(page, "Yes, that is fine")).text == "Sonar /calls"
    assert (await world.arrive(browser, "google", "jo", "/calls")).text == "Sonar /calls"
    assert (await world.arrive(other_browser, "google", "vera")).text == "Sonar /"


async def test_an_accomplice_reads_it_for_themselves_alone(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    await link_jos_account(world, other_browser)
    page = await world.arrive(browser, "google", "nora")
    page = await browser.press(page, "Link and sign in", **THEIRS)
    assert page.path == "/sso/notices"
    assert (await browser.press(page, "Yes, that is fine")).text == "Sonar /"

    page = await world.arrive(browser, "google", "jo", "/calls")

    assert page.text.count("Yes, that is fine") == 2, "of both"


async def test_a_link_that_was_taken_away_before_anybody_looked_is_told_of(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    await link_jos_account(world, other_browser)
    page = await other_browser.open("/sso/settings")
    await other_browser.press(page, "Remove")

    page = await world.arrive(browser, "google", "jo", "/calls")

    assert "taken away again" in page.text
    assert "No, take it away" not in page.text
    assert (await browser.press(page, "I have read this")).text == "Sonar /calls"
    assert (await world.arrive(browser, "google", "jo", "/calls")).text == "Sonar /calls"


async def test_who_linked_it_can_neither_read_it_away_nor_undo_it(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    await link_jos_account(world, other_browser)
    page = await world.arrive(browser, "google", "jo")
    form = page.form("Yes, that is fine")
    notice = dict([form.buttons["Yes, that is fine"]])
    settings = await other_browser.open("/sso/settings")
    token = {"token": settings.form("Add account").fields["token"]}

    for path in ("/sso/notices/read", "/sso/notices/undo"):
        status, _, _ = await other_browser.request("POST", path, data=token | notice)
        assert status == 303

    assert "A new way to sign in" in (await browser.open("/sso/notices")).text
    assert (await world.arrive(other_browser, "google", "vera")).text == "Sonar /"


async def test_its_forms_are_its_own(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    await link_jos_account(world, other_browser)
    page = await world.arrive(browser, "google", "jo")
    notice = dict([page.form("Yes, that is fine").buttons["Yes, that is fine"]])
    for data in (notice, notice | {"token": "x"}):
        status, _, text = await browser.request("POST", "/sso/notices/undo", data=data)
        assert (status, "form_forged" in text) == (403, True)
    browser.jar.clear()
    assert (await browser.request("POST", "/sso/notices/undo", data=notice))[0] == 401
    assert (await browser.open("/sso/notices")).path == "/sso/login"


async def test_there_is_nothing_to_see_without_news(world: World, browser: Browser) -> None:
    await world.arrive(browser, "google", "jo")
    assert (await browser.open("/sso/notices?next=/calls")).text == "Sonar /calls"
    assert (await browser.open("/sso/notices?next=//evil.example")).text == "Sonar /"


async def test_each_contact_address_gets_a_letter_and_no_sign_in_waits_for_it(
    world: World, browser: Browser
) -> None:
    await world.change_sonar("INSERT INTO addresses VALUES (1001, 'jo@other.example', 'contact')")
    await world.change_sonar("INSERT INTO addresses VALUES (1001, 'jo@phone.example', 'voicemail')")

    assert (await link_jos_account(world, browser)).text == "Sonar /"

    letters = []
    while (letter := await world.links.notices.take_due(world.clock(), 60.0)) is not None:
        letters.append(letter)
    account = await world.directory.by_id("1001")
    assert account is not None
    contacts = {str(each.email) for each in account.addresses if each.purpose == "contact"}
    assert {letter.recipient for letter in letters} == contacts
    assert "jo@other.example" in contacts
    assert {(each.username, each.provider) for each in letters} == {("jmarch", "google")}


# With the Sonar password alone, as the edge sends such a browser here.


def signs_in_by_password(
    world: World, browser: Browser, name: str = "b" * 22, account_id: str = "1001"
) -> None:
    """What Sonar and the herald have given a browser."""
    names = CookieNames(secure=False)
    readers = PasswordReaders(world.app[PORTAL].sealer, names, ["SONARSESSID"])
    sonar = readers.sonar("SONARSESSID=1")
    reader = PasswordReader(name, account_id, world.clock(), sonar)
    browser.jar.update_cookies(SimpleCookie(readers.keep(reader)), URL(world.origin))
    browser.jar.update_cookies({"SONARSESSID": "1"}, URL(world.origin))


def taking_away(page: Page) -> dict[str, str]:
    """What a browser sends when that button is pressed."""
    form = page.form("No, take it away")
    return form.fields | dict([form.buttons["No, take it away"]])


async def test_a_password_user_hears_of_it_and_takes_it_away(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    await link_jos_account(world, other_browser)
    signs_in_by_password(world, browser)

    page = await browser.open("/sso/notices?next=/calls%3Fpage%3D2")

    vera = next(person for person in PEOPLE if person.id == "vera")
    for told in ("A new way to sign in", "jmarch", "Google", str(vera.email)):
        assert told in page.text
    page = await browser.press(page, "No, take it away")
    assert "no longer opens this account" in page.text
    assert (await browser.click(page, "Go on to Sonar")).text == "Sonar /calls?page=2"
    assert (await other_browser.request("GET", "/sso/me"))[0] == 401
    assert (await browser.open("/sso/notices?next=/calls")).text == "Sonar /calls"


async def test_it_is_read_by_password_for_one_browser(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    """Who linked it knows the password, too."""
    await link_jos_account(world, other_browser)
    signs_in_by_password(world, other_browser, "a" * 22)
    other_browser.jar.clear(lambda cookie: cookie.key == "sonar_sso")
    page = await other_browser.open("/sso/notices")
    assert (await other_browser.press(page, "Yes, that is fine")).text == "Sonar /"
    assert (await other_browser.open("/sso/notices")).text == "Sonar /"

    signs_in_by_password(world, browser)

    assert "A new way to sign in" in (await browser.open("/sso/notices")).text


async def test_what_a_password_proved_is_over_soon(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    """After ten minutes, and at once when Sonar's own session is no longer there."""
    await link_jos_account(world, other_browser)
    signs_in_by_password(world, browser)
    page = await browser.open("/sso/notices?next=/calls")
    pressed = taking_away(page)

    async def is_refused() -> bool:
        status, _, _ = await browser.request("POST", "/sso/notices/undo", data=pressed)
        return status == 401

    world.clock.ahead = LIFETIME
    assert (await browser.open("/sso/notices?next=/calls")).text == "Sonar /calls"
    assert await is_refused()
    world.clock.ahead = 0.0
    browser.jar.update_cookies({"SONARSESSID": f"{SEALED_PREFIX}x"}, URL(world.origin))
    assert (await browser.open("/sso/notices?next=/calls")).path == "/sso/login"
    browser.jar.clear(lambda cookie: cookie.key == "SONARSESSID")
    assert (await browser.open("/sso/notices?next=/calls")).path == "/sso/login"
    assert await is_refused()
    signs_in_by_password(world, browser)
    await world.change_sonar("UPDATE accounts SET active = 0 WHERE id = 1001")
    assert (await browser.open("/sso/notices?next=/calls")).text == "Sonar /calls"
    assert await is_refused()
    assert len(await world.links.find(None, "1001")) == 1, "nothing was taken away"


async def test_who_signs_in_next_at_the_same_browser_is_somebody_else(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    """Ann, who has no news, minutes after Jo: nothing says so but Sonar's own session."""
    await link_jos_account(world, other_browser)
    signs_in_by_password(world, browser)
    page = await browser.open("/sso/notices?next=/calls")
    pressed = taking_away(page)
    browser.jar.update_cookies({"SONARSESSID": "2"}, URL(world.origin))
    assert (await browser.open("/sso/notices?next=/calls")).text == "Sonar /calls"
    for path in ("/sso/notices/read", "/sso/notices/undo"):
        assert (await browser.request("POST", path, data=pressed))[0] == 401
    browser.jar.update_cookies({"SONARSESSID": "1"}, URL(world.origin))
    assert "A new way to sign in" in (await browser.open("/sso/notices")).text


async def test_a_password_user_goes_on_when_nobody_can_say(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    await link_jos_account(world, other_browser)
    signs_in_by_password(world, browser)
    await world.change_own("links.db", "ALTER TABLE notices RENAME TO away")
    assert (await browser.open("/sso/notices?next=/calls")).text == "Sonar /calls"
    assert "links_unavailable" in (await other_browser.open("/sso/notices")).text
    await world.change_own("links.db", "ALTER TABLE away RENAME TO notices")
    assert "A new way to sign in" in (await browser.open("/sso/notices?next=/calls")).text


async def test_a_password_user_can_do_nothing_for_another_account(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    await link_jos_account(world, other_browser)
    signs_in_by_password(world, browser)
    page = await browser.open("/sso/notices")
    pressed = taking_away(page)
    signs_in_by_password(world, other_browser, account_id="1002")
    other_browser.jar.clear(lambda cookie: cookie.key == "sonar_sso")
    assert (await other_browser.open("/sso/notices")).text == "Sonar /"
    for path in ("/sso/notices/read", "/sso/notices/undo"):
        status, _, text = await other_browser.request("POST", path, data=pressed)
        assert (status, "form_forged" in text) == (403, True)
    assert "A new way to sign in" in (await browser.open("/sso/notices")).text
