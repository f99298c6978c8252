"""Logouts that a provider signs: who ends, who stays, and what is not believed."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from joserfc.jwk import RSAKey
from structlog.testing import capture_logs
from structlog.typing import EventDict

from demo.providers.faults import ABSENT, Fault
from gateway.errors import SessionsUnavailable
from gateway.identity.recall import LOGOUT_EVENT
from gateway.reasons import Reason
from tests.journeys.browser import Browser
from tests.portal.logouts import (
    REVOKED,
    RISC,
    SID,
    arrive_with_sid,
    logout_token,
    security_event,
    signed,
    subject,
    tell,
    tell_event,
)
from tests.portal.world import World

# This only bounds a store that never comes back.
PATIENCE = 20.0


def ended(logs: list[EventDict]) -> list[EventDict]:
    """What the audit was told of sessions that ended."""
    return [entry for entry in logs if entry["event"] == "session_ended"]


async def test_the_session_of_a_sid_ends_and_no_other(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    await arrive_with_sid(world, browser)
    await world.arrive(other_browser, "google", "jo")

    token = logout_token(world.standin.google, sid=SID, sub=subject("jo"))
    assert await tell(other_browser, token) == (200, "")

    assert (await browser.request("GET", "/sso/me"))[0] == 401
    assert (await other_browser.request("GET", "/sso/me"))[0] == 200
    assert world.counters.logouts == {("backchannel", Reason.PROVIDER_SIGNED_OUT): 1}


async def test_without_a_sid_all_of_a_persons_sessions_end(
    world: World, browser: Browser, other_browser: Browser
) -> None:
    await arrive_with_sid(world, browser)
    await world.arrive(other_browser, "google", "jo")

    status, _ = await tell(browser, logout_token(world.standin.google, sub=subject("jo")))

    assert status == 200
    assert await world.live() == {}


async def test_somebody_else_goes_on(world: World, browser: Browser) -> None:
    await world.arrive(browser, "google", "jo")

    assert await tell(browser, logout_token(world.standin.google, sub=subject("riley"))) == (
        200,
        "",
    )
    assert await tell(browser, logout_token(world.standin.google, sid="x" * 32)) == (200, "")

    assert list(await world.live()) == ["1001"]


async def test_each_ended_session_is_an_event(world: World, browser: Browser) -> None:
    await arrive_with_sid(world, browser)
    (session,) = (await world.live()).values()

    with capture_logs() as logs:
        await tell(browser, logout_token(world.standin.google, sid=SID))

    (event,) = ended(logs)
    assert event["reason"] is Reason.PROVIDER_SIGNED_OUT
    assert event["subject"] == session.identity.key.subject
    assert (event["account"], event["session"]) == ("1001", session.public_id)
    assert event["detail"] == {"channel": "backchannel", "what": ("logout",)}
    assert SID not in str(logs)


FAULTS: list[tuple[dict[str, Any], Reason]] = [
    ({"iss": "https://id.evil.example"}, Reason.TOKEN_ISSUER),
    ({"aud": "another"}, Reason.TOKEN_AUDIENCE),
    ({"aud": ["google-client", "another"]}, Reason.TOKEN_AUDIENCE),
    ({"exp": 1_500_000_000}, Reason.TOKEN_EXPIRED),
    ({"exp": ABSENT}, Reason.TOKEN_EXPIRED),
    ({"iat": 1_500_000_000}, Reason.TOKEN_ISSUED_AT),
    ({"iat": 4_000_000_000}, Reason.TOKEN_ISSUED_AT),
    ({"jti": ABSENT}, Reason.TOKEN_MALFORMED),
    ({"nonce": "n"}, Reason.TOKEN_NONCE),
    ({"events": {}}, Reason.TOKEN_EVENT),
    ({"events": {REVOKED: {}}}, Reason.TOKEN_EVENT),
    ({"sub": ABSENT}, Reason.TOKEN_SUBJECT),
    ({"header": {"typ": ABSENT}}, Reason.TOKEN_MALFORMED),
    ({"header": {"typ": "JWT"}}, Reason.TOKEN_MALFORMED),
    ({"header": {"typ": "secevent+jwt"}}, Reason.TOKEN_MALFORMED),
    ({"header": {"kid": "another"}}, Reason.TOKEN_KEY_UNKNOWN),
    ({"key": RSAKey.generate_key(2048)}, Reason.TOKEN_SIGNATURE),
]


@pytest.mark.parametrize(("fault", "reason"), FAULTS)
async def test_one_fault(
    world: World, browser: Browser, fault: dict[str, Any], reason: Reason
) -> None:
    await world.arrive(browser, "google", "jo")

    token = logout_token(world.standin.google, **{"sub": subject("jo"), **fault})
    status, text = await tell(browser, token)

    assert status == 400
    assert json.loads(text) == {"error": "invalid_request", "error_description": reason}
    assert list(await world.live()) == ["1001"]
    assert world.counters.logouts == {("backchannel", reason): 1}


async def test_another_providers_key(world: World, browser: Browser) -> None:
    """Microsoft's key is a good key, of somebody else."""
    await world.arrive(browser, "google", "jo")
    google, microsoft = world.standin.google, world.standin.microsoft

    for kid in (google.keys[0].kid, microsoft.keys[0].kid):
        token = logout_token(
            google, sub=subject("jo"), key=microsoft.keys[0].key, header={"kid": kid}
        )
        assert (await tell(browser, token))[0] == 400

    token = logout_token(google, sub=subject("jo"))
    assert (await tell(browser, token, "microsoft"))[0] == 400
    assert list(await world.live()) == ["1001"]


async def test_an_id_token_is_no_logout_token_and_the_other_way_round(
    world: World, browser: Browser
) -> None:
    await world.arrive(browser, "google", "jo")
    google, now = world.standin.google, int(time.time())
    id_token = {
        "iss": google.base,
        "aud": google.client.client_id,
        "azp": google.client.client_id,
        "sub": subject("jo"),
        "email": "jo@acme.example",
        "email_verified": True,
        "hd": "acme.example",
        "nonce": "of-some-sign-in",
        "iat": now,
        "exp": now + 3600,
    }
    for typ in ("JWT", "logout+jwt"):
        assert (await tell(browser, signed(google, id_token, {"typ": typ})))[0] == 400
        assert (await tell_event(browser, signed(google, id_token, {"typ": typ})))[0] == 400
    assert list(await world.live()) == ["1001"]

    google.fault = Fault(token=logout_token(google, sub=subject("jo")))
    page = await world.arrive(browser, "google", "jo")
    assert "token_malformed" in page.text
    # Even if it is called by the wrong name and has all that an ID token has.
    both = {name: value for name, value in id_token.items() if name != "nonce"}
    both |= {"events": {LOGOUT_EVENT: {}}, "jti": "one"}
    google.fault = Fault(token=signed(google, both, {"typ": "JWT"}))
    page = await world.arrive(browser, "google", "jo")
    assert "token_malformed" in page.text


@pytest.mark.parametrize("later", [0.0, 150.0])
async def test_it_works_once(world: World, browser: Browser, later: float) -> None:
    """For as long as it would be believed."""
    token = logout_token(world.standin.google, sub=subject("jo"))
    assert (await tell(browser, token))[0] == 200
    world.clock.ahead = later
    await world.arrive(browser, "google", "jo")

    status, text = await tell(browser, token)

    assert (status, json.loads(text)["error_description"]) == (400, Reason.TOKEN_REPLAYED)
    assert list(await world.live()) == ["1001"]


async def test_a_name_of_one_kind_is_not_used_up_by_the_other(
    world: World, browser: Browser
) -> None:
    google = world.standin.google
    assert (await tell_event(browser, security_event(google, "riley", jti="one")))[0] == 202
    await world.arrive(browser, "google", "jo")

    assert (await tell(browser, logout_token(google, sub=subject("jo"), jti="one")))[0] == 200

    assert await world.live() == {}


async def test_a_logout_that_the_store_did_not_take_is_no_replay(
    world: World, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sender tries again, and must not be told that it is done."""
    await world.arrive(browser, "google", "jo")
    token = logout_token(world.standin.google, sub=subject("jo"))

    async def gone(label: str) -> None:
        raise SessionsUnavailable(label)

    with capture_logs() as logs:
        with monkeypatch.context() as broken:
            broken.setattr(world.store, "labelled", gone)
            status, text = await tell(browser, token)
        assert status == 400
        assert json.loads(text) == {
            "error": "temporarily_unavailable",
            "error_description": Reason.SESSIONS_UNAVAILABLE,
        }
        assert (await browser.request("GET", "/sso/me"))[0] == 401, "here it has ended all the same"

        async with asyncio.timeout(PATIENCE):
            # The store is left alone until it was heard to answer again.
            while (told := await tell(browser, token)) != (200, ""):
                assert json.loads(told[1])["error"] == "temporarily_unavailable"
    assert await world.live() == {}
    (event,) = ended(logs)
    assert event["reason"] is Reason.PROVIDER_SIGNED_OUT
    assert event["detail"]["channel"] == "backchannel"


async def pieces() -> AsyncIterator[bytes]:
    for _ in range(20):
        yield b"x" * 1000


async def test_what_is_no_form_with_one_token(world: World, browser: Browser) -> None:
    path, token = "/sso/logout/backchannel/google", logout_token(world.standin.google, sub="jo")
    for body in (
        b"",
        b"logout_token",
        b"logout_token=",
        b"id_token=" + token.encode(),
        b"logout_token=%s&logout_token=%s" % (token.encode(), token.encode()),
        token.encode(),
        b"\xff\xfe",
        b"&".join([b"a=1"] * 100),
        b"logout_token=" + b"x" * 20_000,
    ):
        status, _, text = await browser.request("POST", path, data=body)
        assert status == 400, body
        assert json.loads(text)["error"] == "invalid_request"
    status, _, _ = await browser.request("POST", path, data=pieces())
    assert status == 400, "whoever does not say how long it is"
    assert (await browser.request("GET", path))[0] == 405
    assert (await tell(browser, token, "nobody"))[0] == 404


async def test_strangers_do_not_make_us_ask_for_keys(world: World, browser: Browser) -> None:
    """Key ids that nobody has, one after the other and all at once."""
    google = world.standin.google
    await world.arrive(browser, "google", "jo")
    asked = google.requests["keys"]

    def stranger() -> str:
        return logout_token(google, sub=subject("jo"), header={"kid": secrets.token_hex(8)})

    for _ in range(3):
        assert (await tell(browser, stranger()))[0] == 400
    await asyncio.gather(*(tell(browser, stranger()) for _ in range(20)))
    await asyncio.gather(*(tell_event(browser, stranger()) for _ in range(20)))

    assert google.requests["keys"] <= asked + 1


async def test_strangers_do_not_use_up_what_a_sign_in_may_ask(
    world: World, browser: Browser
) -> None:
    """The provider rolls its keys right after strangers made us ask for new ones."""
    google = world.standin.google
    await world.arrive(browser, "google", "jo")
    await tell(browser, logout_token(google, sub="x", header={"kid": "nobody's"}))
    google.keys[0] = type(google.keys[0])(secrets.token_hex(8), RSAKey.generate_key(2048))

    page = await world.arrive(browser, "google", "jo")

    assert page.status == 200, page.text


# RISC.


@pytest.mark.parametrize(
    "event",
    ["sessions-revoked", "account-disabled", "account-credential-change-required"],
)
async def test_googles_alarm_ends_all_of_an_identitys_sessions(
    world: World, browser: Browser, other_browser: Browser, event: str
) -> None:
    await world.arrive(browser, "google", "jo")
    await world.arrive(other_browser, "google", "jo")

    with capture_logs() as logs:
        token = security_event(world.standin.google, "jo", f"{RISC}{event}")
        assert await tell_event(browser, token) == (202, "")

    assert await world.live() == {}
    assert [each["reason"] for each in ended(logs)] == [Reason.PROVIDER_ALARM] * 2
    assert {each["detail"]["what"] for each in ended(logs)} == {(event,)}


async def test_after_an_alarm_one_may_sign_in_again_if_google_lets_one(
    world: World, browser: Browser
) -> None:
    await world.arrive(browser, "google", "jo")
    await tell_event(browser, security_event(world.standin.google, "jo"))

    await world.arrive(browser, "google", "jo")

    assert list(await world.live()) == ["1001"]


async def test_a_test_of_the_operator_is_taken_and_ends_nothing(
    world: World, browser: Browser
) -> None:
    await world.arrive(browser, "google", "jo")
    events = {f"{RISC}verification": {"state": "hello"}}

    status, _ = await tell_event(browser, security_event(world.standin.google, "jo", events=events))

    assert status == 202
    assert list(await world.live()) == ["1001"]
    assert world.counters.logouts == {("risc", Reason.PROVIDER_ALARM): 1}


async def test_an_event_that_comes_again_is_taken_and_ends_nothing(
    world: World, browser: Browser
) -> None:
    token = security_event(world.standin.google, "jo")
    assert (await tell_event(browser, token))[0] == 202
    await world.arrive(browser, "google", "jo")

    assert await tell_event(browser, token) == (202, "")

    assert list(await world.live()) == ["1001"]
    assert world.counters.logouts["risc", Reason.TOKEN_REPLAYED] == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"iss": "https://id.evil.example"}, "invalid_issuer"),
        ({"aud": "another"}, "invalid_audience"),
        ({"iat": 1_500_000_000}, "invalid_request"),
        ({"jti": ABSENT}, "invalid_request"),
        ({"events": {LOGOUT_EVENT: {}}}, "invalid_request"),
        ({"header": {"typ": "logout+jwt"}}, "invalid_request"),
        ({"header": {"kid": "another"}}, "invalid_key"),
        ({"key": RSAKey.generate_key(2048)}, "authentication_failed"),
    ],
)
async def test_one_fault_of_an_event(
    world: World, browser: Browser, fault: dict[str, Any], error: str
) -> None:
    await world.arrive(browser, "google", "jo")

    status, text = await tell_event(browser, security_event(world.standin.google, "jo", **fault))

    assert (status, json.loads(text)["err"]) == (400, error)
    assert list(await world.live()) == ["1001"]


async def test_only_google_sends_security_events(world: World, browser: Browser) -> None:
    microsoft = world.standin.microsoft
    event = security_event(world.standin.google, "jo")
    assert (await tell_event(browser, event, "microsoft"))[0] == 404
    assert (await tell_event(browser, event, "nobody"))[0] == 404
    forged = security_event(world.standin.google, "jo", key=microsoft.keys[0].key)
    assert (await tell_event(browser, forged))[0] == 400
    assert (await tell_event(browser, ""))[0] == 400


async def test_an_event_is_sent_again_when_we_cannot_ask_for_keys(
    world: World, browser: Browser
) -> None:
    world.standin.google.down = True

    status, _ = await tell_event(browser, security_event(world.standin.google, "jo"))

    assert status == 503
