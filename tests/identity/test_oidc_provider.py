"""Whole sign-ins at npm's oidc-provider: as Google, and as any standard provider."""

import re
import time
from collections.abc import AsyncIterator
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest
from multidict import MultiDict
from yarl import URL

from gateway.config import Provider as Settings
from gateway.email import Email
from gateway.errors import ProviderUnavailable
from gateway.identity.fetch import open_http
from gateway.identity.model import GoogleVoucher, Identity, IdentityKey, Refused, StandardVoucher
from gateway.identity.provider import ProviderClient
from gateway.identity.transaction import Transaction
from gateway.reasons import Reason
from gateway.secret import Secret
from tests.identity.conftest import identify
from tests.servers.node import OidcProvider, running_oidc_provider

PUBLIC_URL = "http://localhost:8080"


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_http() as session:
        yield session


def client(
    provider: OidcProvider,
    http: aiohttp.ClientSession,
    kind: str = "google",
    *,
    client_secret: str | None = None,
    redirect_uri: str | None = None,
    after_sign_out: tuple[str, ...] = (f"{PUBLIC_URL}/sso/logout",),
) -> ProviderClient:
    registered = provider.register(
        redirect_uri or f"{PUBLIC_URL}/sso/callback/{kind}",
        client_secret=client_secret,
        post_logout_redirect_uris=list(after_sign_out),
    )
    settings = Settings.model_validate(
        {
            "kind": kind,
            "client_id": registered.client_id,
            "client_secret": Secret(registered.client_secret),
            "label": "Corp",
            "discovery_url": provider.discovery_url,
        }
    )
    return ProviderClient(kind, settings, PUBLIC_URL, http)


def transaction(kind: str = "google", state: str = "id.state") -> Transaction:
    return Transaction("id", kind, state, "the-nonce", "v" * 64, "/", time.time())


async def answer(url: str, pick: str | None = None) -> MultiDict[str]:
    """Follow the browser's way from `url` to our callback; press the button `pick` if asked."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        method, data = "GET", None
        while not url.startswith(PUBLIC_URL):
            async with browser.request(method, url, data=data, allow_redirects=False) as reply:
                text = await reply.text()
                if "Location" in reply.headers:
                    url = str(reply.url.join(URL(reply.headers["Location"])))
                    method, data = "GET", None
                else:
                    assert reply.status == 200, text
                    assert pick is not None, text
                    assert re.search(rf'value="{pick}"', text)
                    method, data = "POST", {"account": pick}
    return MultiDict(parse_qsl(urlsplit(url).query))


async def sign_in(
    provider: ProviderClient, login_hint: str | None, pick: str | None = None
) -> Identity | Refused:
    own = transaction(provider.name)
    url = await provider.authorization_url(
        own, login_hint=login_hint, select_account=pick is not None
    )
    return await identify(provider, own, await answer(url, pick), time.time())


async def test_as_google(oidc_provider: OidcProvider, http: aiohttp.ClientSession) -> None:
    identity = await sign_in(client(oidc_provider, http), "jo@acme.example")
    assert isinstance(identity, Identity)
    assert identity.key == IdentityKey(oidc_provider.issuer, "jo")
    assert identity.email == Email("jo", "acme.example")
    assert identity.voucher == GoogleVoucher(True, "acme.example")
    assert identity.name == "Jo March"
    assert identity.auth_time == pytest.approx(time.time(), abs=30)


async def test_as_google_outside_workspace(
    oidc_provider: OidcProvider, http: aiohttp.ClientSession
) -> None:
    identity = await sign_in(client(oidc_provider, http), "kim.okafor@gmail.com")
    assert isinstance(identity, Identity)
    assert identity.voucher == GoogleVoucher(True, None)


async def test_as_any_standard_provider(
    oidc_provider: OidcProvider, http: aiohttp.ClientSession
) -> None:
    identity = await sign_in(client(oidc_provider, http, "oidc"), None, pick="uri")
    assert isinstance(identity, Identity)
    assert identity.key == IdentityKey(oidc_provider.issuer, "uri")
    assert identity.voucher == StandardVoucher(email_verified=False)


async def test_a_secret_that_needs_encoding(
    oidc_provider: OidcProvider, http: aiohttp.ClientSession
) -> None:
    provider = client(oidc_provider, http, client_secret="s3cret:with/every+thing &=%20~")
    assert isinstance(await sign_in(provider, "jo"), Identity)


async def test_cancelling(oidc_provider: OidcProvider, http: aiohttp.ClientSession) -> None:
    outcome = await sign_in(client(oidc_provider, http), None, pick="")
    assert outcome == Refused(Reason.PROVIDER_DENIED, "access_denied")


async def test_a_code_is_good_once(
    oidc_provider: OidcProvider, http: aiohttp.ClientSession
) -> None:
    provider = client(oidc_provider, http)
    params = await answer(await provider.authorization_url(transaction(), login_hint="jo"))
    assert isinstance(await identify(provider, transaction(), params, time.time()), Identity)
    again = await identify(provider, transaction(), params, time.time())
    assert isinstance(again, Refused)
    assert again.reason == Reason.CODE_REFUSED


async def test_an_answer_of_another_sign_in(
    oidc_provider: OidcProvider, http: aiohttp.ClientSession
) -> None:
    provider = client(oidc_provider, http)
    other = transaction(state="id.other")
    params = await answer(await provider.authorization_url(other, login_hint="jo"))
    refused = await identify(provider, transaction(), params, time.time())
    assert isinstance(refused, Refused)
    assert refused.reason == Reason.CALLBACK_MALFORMED


async def test_keys_that_are_rolled_while_somebody_is_there(http: aiohttp.ClientSession) -> None:
    with running_oidc_provider() as own:
        provider = client(own, http)
        assert isinstance(await sign_in(provider, "jo"), Identity)
        params = await answer(await provider.authorization_url(transaction(), login_hint="jo"))
        own.roll_keys()
        assert isinstance(await identify(provider, transaction(), params, time.time()), Identity)
        own.roll_keys()
        refused = await sign_in(provider, "jo")
        assert isinstance(refused, Refused)
        assert refused.reason == Reason.TOKEN_KEY_UNKNOWN


async def test_a_provider_that_went_down(http: aiohttp.ClientSession) -> None:
    with running_oidc_provider() as own:
        provider = client(own, http)
        params = await answer(await provider.authorization_url(transaction(), login_hint="jo"))
        own.stop()
        with pytest.raises(ProviderUnavailable):
            await identify(provider, transaction(), params, time.time())
        # Discovery is known already, so a browser still finds its way to the error page there.
        assert (await provider.authorization_url(transaction())).startswith(own.issuer)


async def test_check_finds_everything_in_order(
    oidc_provider: OidcProvider, http: aiohttp.ClientSession
) -> None:
    findings = await client(oidc_provider, http).check()
    assert [(finding.what, finding.ok) for finding in findings] == [
        ("discovery", True),
        ("keys", True),
        ("PKCE", True),
        ("redirect URI", True),
        ("client secret", True),
        ("sign-out", True),
    ]
    told = {finding.what: finding.detail for finding in findings}
    assert told["redirect URI"] == f"{PUBLIC_URL}/sso/callback/google is registered"
    assert told["client secret"] == "accepted"


async def test_check_finds_that_nobody_comes_back_from_the_sign_out(
    oidc_provider: OidcProvider, http: aiohttp.ClientSession
) -> None:
    provider = client(oidc_provider, http, after_sign_out=())
    told = {finding.what: finding for finding in await provider.check()}
    assert not told["sign-out"].ok
    assert f"register {PUBLIC_URL}/sso/logout for after signing out" in told["sign-out"].detail


async def test_check_finds_a_redirect_uri_that_is_not_registered(
    oidc_provider: OidcProvider, http: aiohttp.ClientSession
) -> None:
    provider = client(oidc_provider, http, redirect_uri="http://localhost:9/elsewhere")
    told = {finding.what: finding for finding in await provider.check()}
    assert not told["redirect URI"].ok
    assert f"{PUBLIC_URL}/sso/callback/google" in told["redirect URI"].detail
