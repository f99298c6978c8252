"""Logouts that come through a browser: who ends, and that nobody can guess whom."""

import secrets
from typing import Any
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from gateway.errors import SessionsUnavailable
from tests.journeys.browser import Browser
from tests.portal.logouts import SID, arrive_with_sid, sids
from tests.portal.world import World
from tests.session.samples import until


async def frame(browser: Browser, query: str, provider: str = "microsoft") -> tuple[int, Any, str]:
    path = f"/sso/logout/frontchannel/{provider}{query}"
    return await browser.request("GET", path, headers={"Sec-Fetch-Dest": "iframe"})


async def test_a_frame_ends_the_session_of_its_sid(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    """As Entra opens it: without `iss`, and without our cookie."""
    await world.arrive(browser, "microsoft", "mara")
    (sid,) = (await sids(world)).values()

    status, headers, _ = await frame(other_browser, f"?sid={sid}")

    assert status == 200
    assert await world.live() == {}
    assert (await browser.request("GET", "/sso/me"))[0] == 401
    base = world.standin.microsoft.base.removesuffix("/microsoft")
    assert headers["Content-Security-Policy"] == f"default-src 'none'; frame-ancestors {base}"
    assert "X-Frame-Options" not in headers
    assert headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in headers


async def test_a_made_up_sid_tells_nothing(world: World, browser: Browser) -> None:
    await world.arrive(browser, "microsoft", "mara")
    (sid,) = (await sids(world)).values()

    made_up = await frame(browser, f"?sid={secrets.token_hex(16)}")
    assert list(await world.live()) != []
    real = await frame(browser, f"?sid={sid}")

    ignored = {"Date"}
    assert made_up[0] == real[0] == 200
    assert made_up[2] == real[2]
    assert {n: v for n, v in made_up[1].items() if n not in ignored} == {
        n: v for n, v in real[1].items() if n not in ignored
    }


async def test_the_cookie_alone_ends_nothing(world: World, browser: Browser) -> None:
    """A link on another site signs nobody out: it does not know the sid."""
    await world.arrive(browser, "microsoft", "mara")
    (sid,) = (await sids(world)).values()

    for query in (
        "",
        "?sid=",
        "?sid=1",
        f"?sid={sid[:15]}",
        f"?sid={sid}&sid={sid}",
        "?sid=" + "x" * 256,
    ):
        status, headers, _ = await frame(browser, query)
        assert status == 400, query
        assert headers["X-Frame-Options"] == "DENY"
    assert (await frame(browser, f"?sid={sid.upper()}x"))[0] == 200
    assert (await browser.request("HEAD", f"/sso/logout/frontchannel/microsoft?sid={sid}"))[
        0
    ] == 405
    assert (await frame(browser, f"?sid={sid}", "nobody"))[0] == 404
    assert len(await world.live()) == 1


async def test_the_issuer_has_to_be_the_sessions(world: World, browser: Browser) -> None:
    await arrive_with_sid(world, browser)
    issuer = world.standin.google.base

    assert (await frame(browser, f"?sid={SID}", "google"))[0] == 400, "only Entra leaves it out"
    assert (await frame(browser, f"?sid={SID}&iss=https://id.evil.example", "google"))[0] == 200
    assert (await frame(browser, f"?sid={SID}&iss={issuer}", "microsoft"))[0] == 200
    assert list(await world.live()) == ["1001"]
    assert (await frame(browser, f"?sid={SID}&iss={issuer}", "google"))[0] == 200
    assert await world.live() == {}


async def test_guessing_is_stopped_and_the_others_are_not(
    world: World, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.arrive(browser, "microsoft", "mara")
    (sid,) = (await sids(world)).values()
    monkeypatch.setattr(world.misses, "most", 3)
    stranger = {"X-Forwarded-For": "192.0.2.66"}
    path = "/sso/logout/frontchannel/microsoft?sid="
    for _ in range(3):
        assert (await browser.request("GET", f"{path}{secrets.token_hex(16)}", headers=stranger))[
            0
        ] == 200

    assert (await browser.request("GET", f"{path}{sid}", headers=stranger))[0] == 429
    assert len(await world.live()) == 1
    assert (await frame(browser, f"?sid={sid}"))[0] == 200
    assert await world.live() == {}


@pytest.mark.parametrize("hides", [False, True])
async def test_another_site_does_not_use_up_what_the_providers_page_may_miss(
    hides: bool, world: World, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It frames our address again and again in the browser of somebody who then signs out at
    Microsoft. What it cannot do is name another page than itself."""
    await world.arrive(browser, "microsoft", "mara")
    (sid,) = (await sids(world)).values()
    monkeypatch.setattr(world.misses, "most", 3)
    path, base = "/sso/logout/frontchannel/microsoft?sid=", world.standin.microsoft.base
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(base))
    evil = {} if hides else {"Referer": f"{origin}.evil.example/"}
    for _ in range(3):
        guess = f"{path}{secrets.token_hex(16)}"
        assert (await browser.request("GET", guess, headers=evil))[0] == 200
    assert (await browser.request("GET", f"{path}{sid}", headers=evil))[0] == 429

    framed = {"Referer": f"{origin}/"}
    assert (await browser.request("GET", f"{path}{sid}", headers=framed))[0] == 200

    assert await world.live() == {}
    guesses = [f"{path}{secrets.token_hex(16)}" for _ in range(4)]
    answers = [(await browser.request("GET", guess, headers=framed))[0] for guess in guesses]
    assert answers == [200, 200, 200, 429], "nor the provider's page without end"


async def test_a_frame_while_the_store_is_away_ends_what_this_process_knows(
    world: World, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.arrive(browser, "microsoft", "mara")
    (sid,) = (await sids(world)).values()

    async def gone(label: str) -> None:
        raise SessionsUnavailable(label)

    with capture_logs() as logs:
        with monkeypatch.context() as broken:
            broken.setattr(world.store, "labelled", gone)
            assert (await frame(browser, f"?sid={sid}"))[0] == 503
        assert (await browser.request("GET", "/sso/me"))[0] == 401
        await until(lambda: [log for log in logs if log["event"] == "session_ended"])
    (event,) = [log for log in logs if log["event"] == "session_ended"]
    assert event["detail"]["channel"] == "frontchannel"
    assert await world.live() == {}
