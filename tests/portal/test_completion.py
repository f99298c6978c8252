"""Where a sign-in becomes a session: always a new one, alone in its browser."""

import json
import re
from base64 import urlsafe_b64decode
from typing import Any

from structlog.testing import capture_logs

from gateway.session.live import Live
from tests.journeys.browser import Browser
from tests.portal.world import PASSWORDS, World
from tests.session.samples import until


async def test_a_planted_session_is_not_taken_over(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    """Session fixation: the attacker's own cookie, planted in the victim's browser."""
    await world.arrive(other_browser, "google", "alex")
    planted = other_browser.cookies()["sonar_sso"]
    browser.jar.update_cookies({"sonar_sso": planted})

    await world.arrive(browser, "google", "jo")

    assert browser.cookies()["sonar_sso"] != planted
    assert list(await world.live()) == ["1001"]
    status, _, _ = await other_browser.request("GET", "/sso/me")
    assert status == 401, "the session that the browser came with has ended"


async def test_a_second_sign_in_in_one_browser_leaves_one_session(
    world: World, browser: Browser
) -> None:
    await world.arrive(browser, "google", "jo")
    await world.arrive(browser, "google", "alex")

    assert [session.account.id for session in await world.store.all()] == ["1013"]


async def test_a_made_up_cookie_does_not_disturb_a_sign_in(world: World, browser: Browser) -> None:
    browser.jar.update_cookies({"sonar_sso": "made.up.value"})

    assert (await world.arrive(browser, "google", "jo")).text == "Sonar /"


async def test_sonars_own_cookies_are_expired_at_sign_in(world: World, browser: Browser) -> None:
    page = await browser.open("/sso/login/google")
    form = page.form("Jo March")
    _, headers, _ = await browser.request("POST", page.url, data=form.fields | {"person": "jo"})
    status, headers, _ = await browser.request("GET", headers["Location"])

    assert status == 303
    cookies = headers.getall("Set-Cookie")  # type: ignore[attr-defined]
    assert any(cookie.startswith("SONARSESSID=; Path=/; Max-Age=0") for cookie in cookies)
    (own,) = [
        cookie
        for cookie in cookies
        if cookie.startswith("sonar_sso=") and "Max-Age=0" not in cookie
    ]
    assert "HttpOnly" in own
    assert "SameSite=Lax" in own
    assert cookies.index(own) > max(
        index for index, cookie in enumerate(cookies) if cookie.startswith("sonar_sso=;")
    )


async def test_nothing_secret_is_logged(world: World, browser: Browser) -> None:
    with capture_logs() as logs:
        page = await browser.open("/sso/login/google?next=/calls")
        pending = set(browser.cookies().values())
        page = await world.pick(browser, page, "nora")
        pending |= set(browser.cookies().values())
        page = await browser.press(
            page, "Link and sign in", username="nlindqvist", password="guess-1234"
        )
        await browser.press(
            page, "Link and sign in", username="nlindqvist", password=PASSWORDS["nlindqvist"]
        )
        pending |= set(browser.cookies().values())
        await browser.press(await browser.open("/sso/logout"), "Sign out")

    written = str(logs)
    for secret in (*pending, "guess-1234", PASSWORDS["nlindqvist"]):
        assert secret not in written
    assert [entry["event"] for entry in logs] == [
        "password_refused",
        "link_added",
        "sign_in",
        "signed_out",
    ]
    signed_in = logs[2]
    assert signed_in["reason"] == "proved"
    assert signed_in["provider"] == "google"
    assert signed_in["account"] == "1005"
    assert signed_in["domain"] == "acme.example"


async def test_a_refusal_tells_operators_why(world: World, browser: Browser) -> None:
    with capture_logs() as logs:
        await world.arrive(browser, "google", "blake")

    (entry,) = logs
    assert entry["event"] == "sign_in_refused"
    assert entry["reason"] == "blocked_user"
    assert entry["email"] == "blake@acme.example"
    assert any("blocked_user" in step for step in entry["detail"]["trail"])


async def test_links_that_cannot_be_read_stop_the_sign_in_not_the_password(
    world: World, browser: Browser
) -> None:
    await world.change_own("links.db", "ALTER TABLE links RENAME TO gone")

    page = await world.arrive(browser, "google", "jo", "/calls")

    assert page.status == 503
    assert "links_unavailable" in page.text
    assert page.link("Sonar password").endswith("/login?return_to=%2Fcalls")
    assert page.link("Try again").endswith("/sso/login?next=%2Fcalls")
    assert await world.live() == {}


async def test_a_failed_link_can_be_tried_again(world: World, browser: Browser) -> None:
    page = await world.arrive(browser, "google", "nora", "/calls")
    await world.change_own("links.db", "ALTER TABLE preferences RENAME TO gone")

    failed = await browser.press(
        page, "Link and sign in", username="nlindqvist", password=PASSWORDS["nlindqvist"]
    )
    await world.change_own("links.db", "ALTER TABLE gone RENAME TO preferences")

    assert failed.status == 503
    page = await browser.click(failed, "Try again")
    done = await browser.press(
        page, "Link and sign in", username="nlindqvist", password=PASSWORDS["nlindqvist"]
    )
    assert done.text == "Sonar /calls"


async def test_sessions_that_cannot_be_kept_stop_the_sign_in(
    world: World, browser: Browser
) -> None:
    page = await browser.open("/sso/login/google?next=/calls")
    await world.change_own("sessions.db", "ALTER TABLE sessions RENAME TO gone")

    page = await world.pick(browser, page, "jo")

    assert page.status == 503
    assert "sessions_unavailable" in page.text
    assert browser.cookies() == {}


async def test_what_somebody_else_had_proven_is_gone(world: World, browser: Browser) -> None:
    """Sam stopped at the chooser; Alex signs in, and goes back to Sam's tab."""
    chooser = await world.arrive(browser, "google", "sam")
    form = chooser.form("Sam Rivera")
    await world.arrive(browser, "google", "alex")

    status, _, text = await browser.request(
        "POST", form.action, data=form.fields | {"account": "1002"}
    )

    assert status == 400
    assert "transaction_unknown" in text
    assert set(browser.cookies()) == {"sonar_sso"}
    assert list(await world.live()) == ["1013"]


async def test_another_provider_takes_over_with_nothing_of_the_one_before(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    await world.arrive(browser, "google", "jo")
    before = browser.cookies()["sonar_sso"]
    old = await world.sessions.of_browser(before, world.clock())
    assert old is not None
    sealed = old.seal("SONARSESSID", "of-jo")
    closed: list[str] = []
    old.closers.add(lambda: closed.append("WebSocket"))
    elsewhere = world.another_process()
    await elsewhere.start()
    assert await elsewhere.read(before, world.clock()) is not None
    world.clock.ahead += 60

    await world.arrive(browser, "microsoft", "mara")

    new = await world.sessions.of_browser(browser.cookies()["sonar_sso"], world.clock())
    assert new is not None
    was, now = told(old, world), told(new, world)
    same = {name for name in was if was[name] == now[name]}
    # Two proofs may be of the same second.
    assert same - {"auth_time"} == {"iss", "aud"}
    assert now["sub"] == new.session.account.id
    assert (now["email"], now["provider"]) == ("mara@acme.example", "microsoft")
    assert now["auth_time"] == int(new.session.auth_time)
    assert closed == ["WebSocket"]
    assert new.open("SONARSESSID", sealed) is None
    assert [session.key for session in await world.store.all()] == [new.session.key]
    await until(lambda: elsewhere.peek(before, world.clock()) is None)
    await elsewhere.stop()
    _, _, text = await browser.request("GET", "/sso/me")
    me = json.loads(text)
    assert (me["account"]["id"], me["email"], me["provider"]) == (
        new.session.account.id,
        "mara@acme.example",
        "microsoft",
    )
    assert (await other_browser.request("GET", "/sso/me", cookies={"sonar_sso": before}))[0] == 401


def told(live: Live, world: World) -> dict[str, Any]:
    """What Sonar hears of this session: the claims of its assertion."""
    (token,) = re.findall(rb"X-Sonar-Assertion: (\S+)", live.identity_headers(world.clock()))
    body = token.split(b".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(body + b"=" * (-len(body) % 4)))
    return claims
