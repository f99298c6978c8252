"""The stand-ins verify what real providers verify, and their pages offer no fault."""

import time
from collections.abc import AsyncIterator
from typing import TypeAlias
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from joserfc.jwk import RSAKey

from demo.people import (
    ACME_TENANT,
    CONSUMER_TENANT,
    GOOGLE_PEOPLE,
    MICROSOFT_PEOPLE,
    PEOPLE,
)
from demo.providers.app import make_app
from demo.providers.standin import CODE_LIFETIME, Client, Grant, StandIn, make_stand_in, new_key

BACK = "http://localhost:8080/sso/callback/google"

# RFC 7636 appendix B.
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

ASKED = {
    "client_id": "sonar",
    "redirect_uri": BACK,
    "response_type": "code",
    "scope": "openid email profile",
    "state": "the-state",
    "nonce": "the-nonce",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
TOKEN = {
    "grant_type": "authorization_code",
    "client_id": "sonar",
    "client_secret": "secret",
    "redirect_uri": BACK,
    "code_verifier": VERIFIER,
}

Browser: TypeAlias = TestClient[web.Request, web.Application]


@pytest.fixture(scope="module")
def keys() -> tuple[RSAKey, RSAKey]:
    return new_key(), new_key()


@pytest.fixture
def stand_in(keys: tuple[RSAKey, RSAKey]) -> StandIn:
    client = Client("sonar", "secret", (BACK,))
    return make_stand_in("http://localhost:8082", client, client, keys)


@pytest.fixture
async def browser(stand_in: StandIn) -> AsyncIterator[Browser]:
    async with TestClient(TestServer(make_app(stand_in))) as client:
        yield client


def microsoft(tenant: str) -> str:
    return f"/microsoft/{tenant}/oauth2/v2.0/authorize"


async def get(browser: Browser, path: str, **changes: str | None) -> aiohttp.ClientResponse:
    params = {name: value for name, value in (ASKED | changes).items() if value is not None}
    return await browser.get(path, params=params, allow_redirects=False)


async def test_pages_show_words_of_config_as_code_and_ask_for_no_icon(browser: Browser) -> None:
    page = await (await get(browser, "/google/authorize")).text()
    assert "<code>sso: off</code>" in page
    assert "`" not in page
    assert '<link rel="icon" href="data:,">' in page


async def pick(browser: Browser, person: str, path: str = "/google/authorize") -> dict[str, str]:
    answer = await browser.post(path, params=ASKED, data={"person": person}, allow_redirects=False)
    assert answer.status == 303
    location = urlsplit(answer.headers["Location"])
    assert location._replace(query="").geturl() == BACK
    return {name: values[0] for name, values in parse_qs(location.query).items()}


async def error_of(answer: aiohttp.ClientResponse) -> str:
    return parse_qs(urlsplit(answer.headers["Location"]).query)["error"][0]


async def test_the_page_shows_everybody_and_what_they_meet(browser: Browser) -> None:
    page = await (await get(browser, "/google/authorize")).text()
    for person in GOOGLE_PEOPLE:
        assert f'value="{person.id}"' in page
        assert person.email in page
    assert "Cancel" in page
    for secret in ("fault", "secret", "algorithm"):
        assert secret not in page.lower()


@pytest.mark.parametrize(
    ("tenant", "ids"),
    [
        ("common", {person.id for person in MICROSOFT_PEOPLE}),
        ("organizations", {p.id for p in MICROSOFT_PEOPLE if p.tenant != CONSUMER_TENANT}),
        ("consumers", {"cora"}),
        (ACME_TENANT, {"mara", "noel"}),
    ],
)
async def test_each_tenant_shows_its_own(browser: Browser, tenant: str, ids: set[str]) -> None:
    page = await (await get(browser, microsoft(tenant))).text()
    assert {p.id for p in PEOPLE if f'value="{p.id}"' in page} == ids


async def test_a_hint_comes_first(browser: Browser) -> None:
    page = await (await get(browser, "/google/authorize", login_hint="kim.okafor@gmail.com")).text()
    assert page.index('value="kim"') < page.index('value="jo"')


async def test_a_hint_is_text(browser: Browser) -> None:
    page = await (await get(browser, "/google/authorize", login_hint="<script>")).text()
    assert "<script>" not in page


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "another"},
        {"client_id": None},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": f"{BACK}/"},
        {"redirect_uri": None},
    ],
)
async def test_nothing_is_sent_to_who_is_not_registered(
    browser: Browser, changes: dict[str, str | None]
) -> None:
    answer = await get(browser, "/google/authorize", **changes)
    assert answer.status == 400
    assert "Location" not in answer.headers


@pytest.mark.parametrize(
    ("path", "changes", "error"),
    [
        ("/google/authorize", {"response_type": "token"}, "unsupported_response_type"),
        ("/google/authorize", {"scope": "email"}, "invalid_scope"),
        ("/google/authorize", {"code_challenge": None}, "invalid_request"),
        ("/google/authorize", {"code_challenge_method": "plain"}, "invalid_request"),
        ("/google/authorize", {"prompt": "none"}, "login_required"),
        (
            microsoft("organizations"),
            {"prompt": "select_account", "login_hint": "x"},
            "invalid_request",
        ),
    ],
)
async def test_wrong_requests_are_answered_to_the_application(
    browser: Browser, path: str, changes: dict[str, str | None], error: str
) -> None:
    answer = await get(browser, path, **changes)
    assert answer.status == 303
    assert await error_of(answer) == error


async def test_picking(browser: Browser) -> None:
    answer = await pick(browser, "jo")
    assert answer["state"] == "the-state"
    assert answer["iss"] == "http://localhost:8082/google"
    again = await pick(browser, "jo")
    assert answer["code"] != again["code"]


async def test_cancelling(browser: Browser) -> None:
    assert (await pick(browser, "cancel"))["error"] == "access_denied"


async def test_picking_nobody(browser: Browser) -> None:
    answer = await browser.post(
        "/google/authorize", params=ASKED, data={"person": "root"}, allow_redirects=False
    )
    assert answer.status == 400


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({}, 200, None),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "another"}, 401, "invalid_client"),
        ({"code": "made-up"}, 400, "invalid_grant"),
        ({"code_verifier": "x" * 43}, 400, "invalid_grant"),
        ({"redirect_uri": "https://evil.example/"}, 400, "invalid_grant"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
async def test_token(
    browser: Browser, changes: dict[str, str], status: int, error: str | None
) -> None:
    code = (await pick(browser, "jo"))["code"]
    answer = await browser.post("/google/token", data={**TOKEN, "code": code, **changes})
    assert answer.status == status
    assert (await answer.json()).get("error") == error


@pytest.mark.parametrize("credentials", ["Basic", "Basic ***", "Basic /w==", "Basic c29uYXI=", "x"])
async def test_broken_credentials(browser: Browser, credentials: str) -> None:
    answer = await browser.post("/google/token", headers={"Authorization": credentials})
    assert answer.status == 401


async def test_a_code_is_good_once_and_soon(browser: Browser, stand_in: StandIn) -> None:
    code = (await pick(browser, "jo"))["code"]
    for status in (200, 400):
        assert (await browser.post("/google/token", data={**TOKEN, "code": code})).status == status
    late = time.time() - CODE_LIFETIME - 1
    grant = Grant(GOOGLE_PEOPLE[0], "sonar", BACK, None, CHALLENGE, late, stand_in.google.fault)
    data = {**TOKEN, "code": stand_in.google.grant(grant)}
    assert (await browser.post("/google/token", data=data)).status == 400


@pytest.mark.parametrize(
    ("back", "offered"),
    [
        (BACK, True),
        (f"{BACK}/", False),
        ("http://localhost:8080/sso/login", False),
        ("http://localhost:8080.evil.example/", False),
        ("https://evil.example/", False),
        ("", False),
    ],
)
async def test_signing_out(browser: Browser, back: str, offered: bool) -> None:
    path = "/microsoft/organizations/oauth2/v2.0/logout"
    page = await (await browser.get(path, params={"post_logout_redirect_uri": back})).text()
    assert ("<a href=" in page) is offered


def test_no_two_people_are_one() -> None:
    assert len({person.id for person in PEOPLE}) == len(PEOPLE)
    assert len({person.subject for person in GOOGLE_PEOPLE}) == len(GOOGLE_PEOPLE)
    assert len({person.object_id for person in MICROSOFT_PEOPLE}) == len(MICROSOFT_PEOPLE)
