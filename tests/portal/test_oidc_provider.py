"""Signing out with npm's oidc-provider: its own logout tokens, and its own sign-out page."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from gateway.policy.model import Policies
from gateway.reasons import Reason
from tests.journeys.browser import Browser, Page
from tests.portal.world import World, a_world
from tests.servers.node import OidcProvider


@pytest.fixture
async def world(tmp_path: Path, oidc_provider: OidcProvider) -> AsyncIterator[World]:
    def corp(origin: str) -> Mapping[str, object]:
        client = oidc_provider.register(
            f"{origin}/sso/callback/corp",
            post_logout_redirect_uris=[f"{origin}/sso/logout"],
            backchannel_logout_uri=f"{origin}/sso/logout/backchannel/corp",
            backchannel_logout_session_required=True,
        )
        return {
            "corp": {
                "kind": "oidc",
                "client_id": client.client_id,
                "client_secret": client.client_secret,
                "discovery_url": oidc_provider.discovery_url,
            }
        }

    async with a_world(tmp_path, corp) as world:
        acme = world.policies.by_domain["acme.example"]
        allowed = replace(acme, providers={**acme.providers, "corp": acme.providers["google"]})
        world.policies = Policies({**world.policies.by_domain, "acme.example": allowed})
        yield world


async def arrive(browser: Browser, person: str = "Jo March") -> Page:
    return await browser.press(await browser.open("/sso/login/corp"), person)


async def test_its_logout_token_ends_the_session(
    world: World, browser: Browser, other_browser: Browser, oidc_provider: OidcProvider
) -> None:
    """Somebody signs out at the provider, and in this browser Sonar is closed; another of their
    browsers has another session there, and stays."""
    await arrive(browser)
    await arrive(other_browser)
    assert len(await world.store.all()) == 2

    asked = await browser.open(f"{oidc_provider.issuer}/session/end")
    await browser.press(asked, "Sign out")

    assert (await browser.request("GET", "/sso/me"))[0] == 401
    assert (await other_browser.request("GET", "/sso/me"))[0] == 200
    assert world.counters.logouts == {("backchannel", Reason.PROVIDER_SIGNED_OUT): 1}


async def test_there_and_back(world: World, browser: Browser) -> None:
    await arrive(browser)
    out = await browser.press(await browser.open("/sso/logout"), "Sign out")

    asked = await browser.click(out, "Sign out of Corp too")
    back = await browser.press(asked, "Sign out")

    assert back.path == "/sso/logout"
    assert "you are back from signing out at Corp" in back.text
    assert dict(parse_qsl(urlsplit(back.url).query)).keys() == {"state"}
    again = await browser.open("/sso/login/corp")
    assert "Pick an account" in again.text, "the provider has forgotten who it was"
