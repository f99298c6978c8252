"""The Sonar password: throttled by account, by identity and by address."""

import asyncio
from html import unescape

import pytest
from structlog.testing import capture_logs

from gateway.explanations import EXPLANATIONS
from gateway.portal.pages import in_words
from gateway.reasons import Reason
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
    """CVE-2025-24806, CVE-2026-47203: attempts were counted on what was typed."""
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


async def test_strangers_keep_nobody_of_the_domain_from_linking(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    """Eve and Milo have tenants of their own and type what they like into their profiles."""
    theirs = (await world.arrive(other_browser, "microsoft", "eve")).form("Link and sign in")
    for _ in range(3):
        assert await send(other_browser, theirs, BAD) == 403
    form = await proof_of(world, browser)

    assert await send(browser, form, GOOD) == 303

    another = await world.arrive(other_browser, "microsoft", "milo")
    for typed in (GOOD, BAD):
        assert await send(other_browser, another.form("Link and sign in"), typed) == 429, "still"


async def test_each_group_has_its_attempts_and_no_more(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    """Strangers together, and each domain's own people together, under however many identities."""
    guesses = 0
    for provider, person in (
        ("microsoft", "eve"),
        ("microsoft", "milo"),
        ("google", "ada"),
        ("google", "vera"),
        ("google", "ivan"),
    ):
        form = (await world.arrive(other_browser, provider, person)).form("Link and sign in")
        for _ in range(3):
            guesses += await send(other_browser, form, BAD) == 403

    assert guesses == 3 + 3
    assert await send(browser, await proof_of(world, browser), GOOD) == 429


@pytest.mark.parametrize("name", ["nlindqvist", "nobody"])
async def test_the_page_says_that_a_username_is_slowed_down_until_when_and_what_to_do(
    world: World, browser: Browser, other_browser: Browser, name: str
) -> None:
    """To who did nothing wrong, and the same whether anybody has the name."""
    theirs = await proof_of(world, other_browser, "vera")
    for _ in range(3):
        await send(other_browser, theirs, BAD | {"username": name}, "192.0.2.7")
    page = await world.arrive(browser, "google", "nora")

    with capture_logs() as logs:
        page = await browser.press(page, "Link and sign in", **(GOOD | {"username": name}))

    told, text = EXPLANATIONS[Reason.USERNAME_THROTTLED], unescape(page.text)
    assert (page.status, told.title in text) == (429, True)
    assert f"{told.cause} You can try again in a minute. {told.way_out}" in text
    assert page.link("Use your Sonar password instead").startswith(f"{world.origin}/login")
    (slowed,) = [line for line in logs if line["event"] == "password_refused"]
    assert (slowed["email"], slowed["reason"]) == ("nora@acme.example", "username_throttled")


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
    world: World, browser: Browser, other_browser: Browser
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
    # Elsewhere, because a sign-in takes away what another identity had proven in its browser.
    form = await proof_of(world, other_browser)
    for attempt in range(3):
        typed = {"username": f"jo{attempt}", "password": "wrong"}
        assert await send(browser, signed_in, typed) == 403
    for attempt in range(2):
        assert (
            await send(other_browser, form, {"username": f"n{attempt}", "password": "wrong"}) == 403
        )
    kim = await world.arrive(browser, "google", "kim")
    assert kim.text == "Sonar /"
    signed_in = (await browser.open("/sso/link")).form("Link and sign in")
    assert await send(browser, signed_in, {"username": "k", "password": "wrong"}) == 403

    assert await send(other_browser, form, GOOD) == 429
    kims = {"username": "kokafor", "password": PASSWORDS["kokafor"]}
    assert await send(browser, signed_in, kims) == 429
    assert await send(browser, signed_in, kims, "192.0.2.10") == 303
    assert await send(other_browser, form, GOOD, "192.0.2.10") == 303


async def test_a_64_of_ipv6_is_one_address(world: World, browser: Browser) -> None:
    form = await proof_of(world, browser)
    for attempt in range(30):
        await world.forget_attempts("password:identity")
        typed = {"username": f"n{attempt}", "password": "wrong"}
        assert await send(browser, form, typed, f"2001:db8:1:2::{attempt}") == 403
    await world.forget_attempts("password:identity")

    assert await send(browser, form, GOOD, "2001:db8:1:2:ffff::1") == 429
    assert await send(browser, form, GOOD, "2001:db8:1:3::1") == 303


async def test_each_wrong_password_makes_the_wait_longer_and_says_how_long(
    world: World, browser: Browser
) -> None:
    page = await world.arrive(browser, "google", "nora")
    world.clock.stop()
    for _ in range(3):
        assert (await browser.press(page, "Link and sign in", **BAD)).status == 403
    for seconds, words in ((60, "a minute"), (120, "2 minutes"), (240, "4 minutes")):
        early = await browser.press(page, "Link and sign in", **GOOD)
        assert early.status == 429
        assert f"try again in {words}." in early.text
        assert int(early.headers["Retry-After"]) == seconds
        world.clock.ahead += seconds - 1
        assert (await browser.press(page, "Link and sign in", **GOOD)).status == 429
        world.clock.ahead += 1
        assert (await browser.press(page, "Link and sign in", **BAD)).status == 403


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.1, "half a minute"), (30, "half a minute"), (31, "a minute"), (90, "a minute"),
     (91, "2 minutes"), (121, "3 minutes"), (3600, "60 minutes"), (5401, "2 hours")],
)  # fmt: skip
def test_a_wait_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


async def test_an_office_that_links_its_accounts_is_no_guessing_machine(
    world: World, browser: Browser
) -> None:
    """Forty right passwords from one address, where thirty wrong ones would be stopped."""
    form = await proof_of(world, browser)
    assert await send(browser, form, GOOD) == 303
    for _ in range(40):
        settings = await browser.open("/sso/settings")
        assert await send(browser, settings.form("Add account"), GOOD) == 303


async def test_no_history_of_attempts_tells_whether_a_name_exists(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    """Spellings that one database holds to be the same and another does not, each worn out before
    the next is tried: what is said of a name that somebody has is said of one that nobody has."""

    def spellings(name: str) -> list[str]:
        wide = "".join(chr(ord(letter) + 0xFEE0) for letter in name)
        dotless = name.replace("i", "\u0131")
        return [wide, name.upper(), name, f" {name}", dotless, f"{name}\u0301", wide.upper(), name]

    told: dict[str, list[int]] = {}
    for name, person, at in (
        ("nlindqvist", "nora", browser),
        ("xlindqvist", "vera", other_browser),
    ):
        form = await proof_of(world, at, person)
        told[name] = []
        for spelling in spellings(name):
            for _ in range(2):
                # Somebody with as many identities and addresses as it takes.
                for key in ("password:identity", "password:address"):
                    await world.forget_attempts(key)
                typed = {"username": spelling, "password": "wrong"}
                told[name].append(await send(at, form, typed))
    assert told["nlindqvist"] == told["xlindqvist"]
    assert 429 in told["nlindqvist"]


async def test_an_attempt_that_nobody_could_judge_does_not_count(
    world: World, browser: Browser
) -> None:
    form = await proof_of(world, browser)
    await world.change_sonar("ALTER TABLE accounts RENAME COLUMN password_hash TO hash")
    for _ in range(5):
        assert await send(browser, form, GOOD) == 503
    await world.change_sonar("ALTER TABLE accounts RENAME COLUMN hash TO password_hash")

    assert await send(browser, form, GOOD) == 303


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
