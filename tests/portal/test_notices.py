"""The owner hears of a new link at the next sign-in, and undoes it there."""

from demo.people import PEOPLE
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
    assert "change it now" in page.text
    assert (await browser.click(page, "Go on to Sonar")).text == "Sonar /calls?page=2"
    assert (await other_browser.request("GET", "/sso/me"))[0] == 401, "and whoever was in is out"
    later = await world.arrive(other_browser, "google", "vera")
    assert later.path == "/sso/link"


async def test_it_is_told_at_each_sign_in_until_somebody_has_read_it(
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
    world.change_sonar("INSERT INTO addresses VALUES (1001, 'jo@other.example', 'contact')")
    world.change_sonar("INSERT INTO addresses VALUES (1001, 'jo@phone.example', 'voicemail')")

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
