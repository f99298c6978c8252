"""A form that met no session: whose it is, who may send it, and that nothing else is sent."""

import asyncio
import re
import sqlite3
from collections.abc import Mapping
from html import unescape
from types import MappingProxyType
from urllib.parse import urlencode

import pytest

from gateway.errors import SessionsUnavailable
from tests.journeys.browser import NAVIGATION, Browser, Page
from tests.portal.world import World

BODY = urlencode({"greeting": "Grüße\r\nan <alle>", "day": "", "x": "a&b=c"}).encode()
FORM = "application/x-www-form-urlencoded"
MEANT = "/calls/greeting?of=7"


async def post(
    world: World,
    browser: Browser,
    body: bytes = BODY,
    meant: str = MEANT,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> tuple[int, Mapping[str, str], str]:
    """What the edge hands to the portal of a form that Sonar does not get."""
    sent = {
        **NAVIGATION,
        "Content-Type": FORM,
        "Origin": world.origin,
        "Referer": f"{world.origin}/calls?page=2",
        "X-Sonar-Meant": meant,
        **headers,
    }
    sent = {name: value for name, value in sent.items() if value}
    return await browser.request("POST", "/sso/unsent", data=body, headers=sent)


async def over(world: World, browser: Browser, person: str = "jo") -> None:
    """Somebody was signed in here, and is no more; their browser does not know it yet."""
    await world.arrive(browser, "google", person)
    for session in await world.store.all():
        await world.sessions.end(session.key)


async def kept(world: World, browser: Browser, body: bytes = BODY, meant: str = MEANT) -> str:
    """The page where the form waits."""
    status, headers, _ = await post(world, browser, body, meant)
    assert status == 303
    page = await browser.open(headers["Location"])
    assert page.path == "/sso/login"
    assert "We keep it for 15 minutes" in page.text
    return page.query["next"]


def fields_of(page: Page) -> list[tuple[str, str]]:
    """What a browser sends of the form; order and repetition count."""
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page.text)
    return [(unescape(name), unescape(value)) for name, value in found]


async def press_send(
    browser: Browser, page: Page, body: bytes | None = None, **headers: str
) -> tuple[int, Mapping[str, str], str]:
    action = page.form("Send it now").action
    sent = urlencode(fields_of(page)).encode() if body is None else body
    head = {**NAVIGATION, "Content-Type": FORM, "Origin": browser.origin, **headers}
    return await browser.request("POST", action, data=sent, headers=head)


async def test_it_comes_back_after_the_sign_in_and_is_sent_when_its_person_says_so(
    world: World, browser: Browser
) -> None:
    await over(world, browser)
    waits_at = await kept(world, browser)

    page = await world.arrive(browser, "google", "jo", waits_at.replace("?", "%3F"))

    assert page.status == 200
    assert page.path == "/sso/form"
    assert "Nothing has been sent yet" in page.text
    assert "/calls/greeting" in page.text
    assert "an &lt;alle&gt;" in page.text
    assert urlencode(fields_of(page)).encode() == BODY
    status, headers, _ = await press_send(browser, page)
    assert (status, headers["Location"]) == (307, MEANT)


async def test_it_is_sent_once(world: World, browser: Browser) -> None:
    await over(world, browser)
    waits_at = await kept(world, browser)
    await world.arrive(browser, "google", "jo")
    page = await browser.open(waits_at)
    assert (await browser.open(waits_at)).status == 200, "looking is no sending"

    replies = await asyncio.gather(*(press_send(browser, page) for _ in range(4)))

    assert sorted(status for status, _, _ in replies) == [307, 404, 404, 404]
    gone = await browser.open(waits_at)
    assert gone.status == 404
    assert "form_gone" in gone.text


async def test_who_does_not_want_it_any_more_drops_it(world: World, browser: Browser) -> None:
    await over(world, browser)
    waits_at = await kept(world, browser)
    await world.arrive(browser, "google", "jo")

    page = await browser.press(await browser.open(waits_at), "Do not send it")

    assert page.text == "Sonar /"
    assert (await browser.open(waits_at)).status == 404


async def test_several_tabs_keep_a_form_each(world: World, browser: Browser) -> None:
    await over(world, browser)
    first = await kept(world, browser, b"tab=1")
    second = await kept(world, browser, b"tab=2")
    await world.arrive(browser, "google", "jo")

    assert fields_of(await browser.open(first)) == [("tab", "1")]
    assert fields_of(await browser.open(second)) == [("tab", "2")]


@pytest.mark.parametrize(("provider", "person"), [("google", "kim"), ("microsoft", "mara")])
async def test_somebody_else_neither_sees_nor_sends_it(
    world: World, browser: Browser, provider: str, person: str
) -> None:
    await over(world, browser)
    waits_at = await kept(world, browser)
    await world.arrive(browser, provider, person)

    page = await browser.open(waits_at)

    assert page.status == 404
    assert "form_gone" in page.text
    assert "alle" not in page.text
    await world.arrive(browser, "google", "jo")
    assert (await browser.open(waits_at)).status == 404, "gone for good"


async def test_another_account_of_the_same_person_is_another(
    world: World, browser: Browser
) -> None:
    page = await world.arrive(browser, "google", "sam")
    await browser.press(page, "Acme Support Desk")
    (session,) = await world.store.all()
    await world.sessions.end(session.key)
    waits_at = await kept(world, browser)
    await world.arrive(browser, "google", "sam")
    page = await browser.open("/sso/accounts")
    other = next(label for label in page.form("Rivera").buttons if "Rivera" in label)
    await browser.press(page, other)

    assert (await browser.open(waits_at)).status == 404


async def test_another_browser_does_not_find_it(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    await over(world, browser)
    waits_at = await kept(world, browser)
    await world.arrive(other_browser, "google", "jo")

    assert (await other_browser.open(waits_at)).status == 404
    other_browser.jar.update_cookies({"sonar_tx_forms": "A" * 43})
    assert (await other_browser.open(waits_at)).status == 404


async def test_what_lies_in_the_store_cannot_be_read(world: World, browser: Browser) -> None:
    await over(world, browser)
    await kept(world, browser)

    stored = (world.sonar.parent / "sessions.db").read_bytes()
    wal = world.sonar.parent / "sessions.db-wal"
    stored += wal.read_bytes() if wal.exists() else b""
    secret = browser.cookies()["sonar_tx_forms"]
    assert b"form:" in stored
    for told in (b"greeting", b"alle", b"/calls", secret.encode()):
        assert told not in stored


async def test_only_the_bytes_that_were_kept_are_sent(world: World, browser: Browser) -> None:
    await over(world, browser)
    waits_at = await kept(world, browser)
    await world.arrive(browser, "google", "jo")
    page = await browser.open(waits_at)

    for body in (BODY + b"&more=1", BODY[:-1], b"", BODY.replace(b"+", b"%20")):
        status, headers, _ = await press_send(browser, page, body)
        assert (status, "Location" in headers) == (404, False)
    assert (await press_send(browser, page))[0] == 307, "nothing was lost by that"


@pytest.mark.parametrize(
    ("headers", "change"),
    [
        ({"Origin": "https://evil.example"}, ""),
        ({"Origin": "null"}, ""),
        ({"Sec-Fetch-Site": "cross-site"}, ""),
        ({"Sec-Fetch-Site": "same-site"}, ""),
        ({}, "token"),
    ],
)
async def test_nobody_else_presses_the_button(
    world: World, browser: Browser, headers: dict[str, str], change: str
) -> None:
    await over(world, browser)
    waits_at = await kept(world, browser)
    await world.arrive(browser, "google", "jo")
    page = await browser.open(waits_at)
    action = page.form("Send it now").action
    if change:
        action = re.sub("token=[^&]*", "token=x", action)
    head = {**NAVIGATION, "Content-Type": FORM, "Origin": world.origin, **headers}

    status, replied, text = await browser.request("POST", action, data=BODY, headers=head)

    assert (status, "Location" in replied) == (403, False)
    assert "form_forged" in text


async def test_a_session_that_is_over_again_sends_nothing_and_loses_nothing(
    world: World, browser: Browser
) -> None:
    await over(world, browser)
    waits_at = await kept(world, browser)
    await world.arrive(browser, "google", "jo")
    page = await browser.open(waits_at)
    for session in await world.store.all():
        await world.sessions.end(session.key)

    status, _, text = await press_send(browser, page)

    assert status == 401
    assert "session_expired" in text
    await world.arrive(browser, "google", "jo")
    assert (await browser.open(waits_at)).status == 200


async def test_it_waits_a_quarter_of_an_hour(world: World, browser: Browser) -> None:
    world.clock.stop()
    await over(world, browser)
    waits_at = await kept(world, browser)
    world.clock.ahead += 899
    secret = browser.cookies()["sonar_tx_forms"]
    name = [each for each in await stored_names(world) if each.startswith("form:")]
    assert await world.store.named.get(name[0]) is not None
    world.clock.ahead += 2
    assert await world.store.named.get(name[0]) is None
    assert secret not in waits_at


async def stored_names(world: World) -> list[str]:

    with sqlite3.connect(world.sonar.parent / "sessions.db") as database:
        names = [row[0] for row in database.execute("SELECT name FROM kept")]
    database.close()
    return names


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null", "Sec-Fetch-Site": ""},
        {"Origin": "", "Sec-Fetch-Site": ""},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_what_another_site_sent_is_never_kept(
    world: World, browser: Browser, headers: dict[str, str]
) -> None:
    await over(world, browser)

    status, _, text = await post(world, browser, headers=headers)

    assert status == 403
    assert "origin_foreign" in text
    assert "reload" not in text, "a reload would send it in the name of its victim"
    assert not any(name.startswith("form:") for name in await stored_names(world))


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "null"}, {"Origin": ""}, {"Sec-Fetch-Site": ""}],
)
async def test_a_page_of_sonars_is_known_by_what_its_browser_says(
    world: World, browser: Browser, headers: dict[str, str]
) -> None:
    await over(world, browser)
    assert (await post(world, browser, headers=headers))[0] == 303


@pytest.mark.parametrize(
    ("body", "meant", "content_type", "why"),
    [
        (b"a=" + b"x" * 32 * 1024, MEANT, FORM, "larger than what we keep"),
        (b"a=" + b"x" * 900_000, MEANT, FORM, "larger than what we keep"),
        (b"--x\r\n", MEANT, "multipart/form-data; boundary=x", "a file in it"),
        (b"a=b\r\n", MEANT, "text/plain", "another shape"),
        (b"{}", MEANT, "application/json", "another shape"),
        (b"a=%00", MEANT, FORM, "another shape"),
        (b"user=jo&password=x", MEANT, FORM, "a password in it"),
        (b"old=a&new=b&again=b", "/profile", FORM, "a password in it"),
        (b"a=b", "/change-password?x=1", FORM, "a password in it"),
        (b"a=b", "//evil.example/x", FORM, "another shape"),
        (b"a=b", "/logout", FORM, "another shape"),
        (b"a=b", "/" + "x" * 2000, FORM, "another shape"),
    ],
)
async def test_what_is_not_kept_is_said_plainly(
    world: World, browser: Browser, body: bytes, meant: str, content_type: str, why: str
) -> None:
    await over(world, browser)

    status, _, text = await post(world, browser, body, meant, {"Content-Type": content_type})

    assert status == 401
    assert "Your form was not sent" in text
    assert "Sonar did not get it" in text
    assert why in text
    assert 'href="/sso/login?next=%2Fcalls%3Fpage%3D2"' in text, "back to where it was typed"
    assert "reload this page" in text
    assert 'target="_blank" rel="noopener">Sign in in another tab</a>' in text, "so it stays here"
    assert not any(name.startswith("form:") for name in await stored_names(world))


async def test_who_never_was_signed_in_keeps_nothing(world: World, browser: Browser) -> None:
    """So nobody from the street can fill the store, and nobody's form becomes another's."""
    for cookie in (None, "x", "A" * 43 + "." + "0" * 16 + "." + "A" * 43):
        browser.jar.clear()
        if cookie is not None:
            browser.jar.update_cookies({"sonar_sso": cookie})
        status, _, text = await post(world, browser)
        assert status == 401
        assert "cannot tell who typed it" in text
    assert await stored_names(world) == []


async def test_nobody_keeps_many(world: World, browser: Browser) -> None:
    await over(world, browser)
    for number in range(10):
        assert (await post(world, browser, b"a=%d" % number))[0] == 303

    status, _, text = await post(world, browser)

    assert status == 401
    assert "not keep that many" in text


async def test_a_form_without_fields_is_one(world: World, browser: Browser) -> None:
    await over(world, browser)
    waits_at = await kept(world, browser, b"")
    page = await world.arrive(browser, "google", "jo", waits_at.replace("?", "%3F"))
    assert "It has no fields" in page.text
    assert (await press_send(browser, page, b""))[0] == 307


async def test_a_store_that_is_down_is_said_plainly(world: World, browser: Browser) -> None:
    await over(world, browser)
    await world.change_own("sessions.db", "ALTER TABLE kept RENAME TO away")

    status, _, text = await post(world, browser)

    assert status == 401
    assert "Your form was not sent" in text
    with pytest.raises(SessionsUnavailable):
        await world.store.named.get("x")


async def test_where_a_proxy_kept_the_form_to_itself(browser: Browser) -> None:
    page = await browser.open("/sso/unsent")
    assert page.status == 401
    assert "Your form was not sent" in page.text
