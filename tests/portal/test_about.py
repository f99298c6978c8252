"""What programs ask: who is signed in, and the assertion's keys."""

import json

from joserfc import jwt
from joserfc.jwk import KeySet

from gateway.session.cookie import mint
from tests.journeys.browser import Browser
from tests.portal.world import World
from tests.session.samples import ring_in


async def test_me_says_who_is_signed_in(world: World, browser: Browser) -> None:
    await world.arrive(browser, "google", "jo")

    status, headers, text = await browser.request("GET", "/sso/me")

    assert status == 200
    assert headers["Content-Type"].startswith("application/json")
    assert headers["Cache-Control"] == "no-store"
    me = json.loads(text)
    assert me["account"] == {
        "id": "1001",
        "username": "jmarch",
        "display_name": "Jo March",
        "organisation": "Acme Ltd",
    }
    assert (me["provider"], me["email"]) == ("google", "jo@acme.example")
    assert 0 < me["ends"] - me["since"] <= 24 * 3600


async def test_me_is_401_without_a_session_and_never_a_redirect(browser: Browser) -> None:
    for cookies in (
        {},
        {"sonar_sso": "x"},
        {"sonar_sso": "A" * 43 + "." + "0" * 16 + "." + "A" * 43},
    ):
        status, _, text = await browser.request("GET", "/sso/me", cookies=cookies)

        assert status == 401
        assert json.loads(text) == {"error": "not_signed_in", "sign_in": "/sso/login"}


async def test_me_is_503_for_programs_too_when_nobody_can_say(
    world: World, browser: Browser
) -> None:
    cookie = mint(ring_in(world.config.keys.folder)).value
    await world.change_own("sessions.db", "ALTER TABLE sessions RENAME TO gone")

    status, _, text = await browser.request("GET", "/sso/me", cookies={"sonar_sso": cookie})

    assert status == 503
    assert json.loads(text)["error"] == "sessions_unavailable"


async def test_the_published_keys_verify_an_assertion(world: World, browser: Browser) -> None:
    await world.arrive(browser, "google", "jo")
    live = await world.sessions.read(browser.cookies()["sonar_sso"], world.clock())
    assert live is not None
    lines = live.identity_headers(world.clock()).decode().split("\r\n")
    assertion = next(line.split(": ")[1] for line in lines if "Assertion" in line)

    status, headers, text = await browser.request("GET", "/sso/jwks.json")

    assert status == 200
    assert headers["Cache-Control"] == "public, max-age=300"
    keys = json.loads(text)
    assert all("d" not in key for key in keys["keys"])
    token = jwt.decode(assertion, KeySet.import_key_set(keys), algorithms=["ES256"])
    assert token.claims["sub"] == "1001"
