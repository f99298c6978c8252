"""Off to the provider, and again when its word is too old for the policy."""

import time
from dataclasses import replace

import pytest

from demo.providers.faults import ABSENT, Fault
from gateway.policy.model import Policies
from gateway.reasons import Reason
from tests.journeys.browser import Browser
from tests.portal.world import PASSWORDS, World


def demand_proof(world: World, seconds: float = 900.0) -> None:
    world.policies = Policies(
        {name: replace(rules, max_age=seconds) for name, rules in world.policies.by_domain.items()}
    )


def long_ago(world: World) -> None:
    """From now on both providers speak of a proof two hours ago."""
    fault = Fault(claims={"auth_time": int(time.time()) - 7200})
    world.standin.google.fault = world.standin.microsoft.fault = fault


async def test_a_recent_proof_signs_in_at_once(world: World, browser: Browser) -> None:
    demand_proof(world)

    assert (await world.arrive(browser, "microsoft", "mara")).text == "Sonar /"
    assert (await world.arrive(browser, "google", "jo")).text == "Sonar /"
    assert world.standin.microsoft.requests["authorize"] == 2, "the picker and the pick"


async def test_an_old_one_sends_them_to_prove_it_again(world: World, browser: Browser) -> None:
    demand_proof(world)
    long_ago(world)

    again = await world.arrive(browser, "microsoft", "mara", "/voicemail")

    assert await world.live() == {}
    asked = world.standin.microsoft.asked[-1]
    assert (asked["max_age"], asked["prompt"]) == ("900", "login")
    assert asked["login_hint"] == "mara@acme.example"
    world.standin.microsoft.fault = Fault()
    assert (await world.pick(browser, again, "mara")).text == "Sonar /voicemail"
    assert [session.proved for session in (await world.live()).values()] == [
        pytest.approx(time.time(), abs=60)
    ]


@pytest.mark.parametrize("auth_time", [ABSENT, 1_000_000_000])
async def test_who_comes_back_with_nothing_new_types_the_password(
    world: World, browser: Browser, auth_time: object
) -> None:
    """The browser can leave `max_age` and `prompt` out of the address: what comes back counts."""
    demand_proof(world)
    world.standin.microsoft.fault = Fault(claims={"auth_time": auth_time})
    again = await world.arrive(browser, "microsoft", "mara")
    page = await world.pick(browser, again, "mara")

    assert page.path == "/sso/link"
    assert "your provider did not confirm that" in page.text
    assert await world.live() == {}


async def test_google_is_not_asked_twice_as_it_would_answer_the_same(
    world: World, browser: Browser
) -> None:
    demand_proof(world)
    world.standin.google.tells_auth_time = False

    page = await world.arrive(browser, "google", "jo", "/voicemail")

    assert page.path == "/sso/link"
    jo = {"username": "jmarch", "password": PASSWORDS["jmarch"]}
    assert (await browser.press(page, "Link and sign in", **jo)).text == "Sonar /voicemail"
    (session,) = (await world.live()).values()
    assert session.identity.auth_time is None
    assert session.proved == session.password_at == pytest.approx(time.time(), abs=60)


async def test_nobody_goes_round_the_password_by_the_chooser(
    world: World, browser: Browser
) -> None:
    demand_proof(world)
    long_ago(world)
    page = await world.arrive(browser, "google", "sam")
    assert page.path == "/sso/link"

    chooser = await browser.open(f"/sso/accounts?tx={page.query['tx']}")
    refused = await browser.press(chooser, "Acme Support Desk")

    assert Reason.PROOF_TOO_OLD in refused.text
    assert await world.live() == {}


async def test_nor_by_an_account_of_somebody_elses(world: World, browser: Browser) -> None:
    """The password of one proves nothing to the accounts that the identity opens already; and once
    it was one of these, it would lead to the others by the chooser."""
    demand_proof(world)
    world.standin.google.tells_auth_time = False
    page = await world.arrive(browser, "google", "jo")
    nora = {"username": "nlindqvist", "password": PASSWORDS["nlindqvist"]}

    refused = await browser.press(page, "Link and sign in", **nora)

    assert (refused.status, "did not confirm that" in refused.text) == (403, True)
    assert await world.live() == {}
    assert await world.links.find(None, "1005") == ()


async def test_without_a_demand_nobody_is_asked(world: World, browser: Browser) -> None:
    long_ago(world)

    assert (await world.arrive(browser, "microsoft", "mara")).text == "Sonar /"
    assert "max_age" not in world.standin.microsoft.asked[-1]
