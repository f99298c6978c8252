"""Whole sign-ins at the stand-ins over real sockets, honest and with one thing wrong each."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from multidict import MultiDict

from demo.people import ACME_TENANT, CONSUMER_TENANT, GLOBEX_TENANT
from demo.providers.faults import ABSENT, Fault, TokenReply
from demo.providers.standin import SigningKey, new_key
from gateway.email import Email
from gateway.errors import ProviderUnavailable
from gateway.identity.cached import FRESH, RENEW_AFTER, STALE
from gateway.identity.discovery import Document
from gateway.identity.exchange import Client, Tokens, refresh
from gateway.identity.fetch import open_http
from gateway.identity.model import GoogleVoucher, Identity, IdentityKey, MicrosoftVoucher, Refused
from gateway.identity.transaction import Transaction
from gateway.reasons import Reason
from gateway.secret import Secret
from tests.identity.conftest import PUBLIC_URL, Stage, identify

NOW = time.time()


def transaction(provider: str = "google", **changes: str) -> Transaction:
    values = {
        "id": "AAAAAAAAAAAAAAAA",
        "provider": provider,
        "state": "AAAAAAAAAAAAAAAA.the-state",
        "nonce": "the-nonce",
        "code_verifier": "v" * 64,
        "next": "/voicemail",
    }
    return Transaction(**(values | changes), started=NOW)  # type: ignore[arg-type]


def reason(outcome: Identity | Refused) -> Reason | None:
    return outcome.reason if isinstance(outcome, Refused) else None


async def outcome(stage: Stage, name: str, person: str) -> Reason | None:
    return reason(await stage.sign_in(stage.client(name), person, transaction(name), time.time()))


# honest sign-ins


async def test_google(stage: Stage) -> None:
    identity = await stage.sign_in(stage.client("google"), "jo", transaction(), time.time())
    assert isinstance(identity, Identity)
    assert identity.key == IdentityKey(f"{stage.base_url}/google", "100000000000000000001")
    assert identity.provider == "google"
    assert identity.email == Email("jo", "acme.example")
    assert identity.voucher == GoogleVoucher(True, "acme.example")
    assert identity.name == "Jo March"


@pytest.mark.parametrize("tenant", ["organizations", "common", ACME_TENANT])
async def test_microsoft(stage: Stage, tenant: str) -> None:
    client = stage.client("microsoft", tenant=tenant)
    identity = await stage.sign_in(client, "mara", transaction("microsoft"), time.time())
    assert isinstance(identity, Identity)
    assert identity.key == IdentityKey(
        f"{stage.base_url}/microsoft/{ACME_TENANT}/v2.0",
        f"{ACME_TENANT}.20000000-0000-4000-8000-000000000001",
    )
    assert identity.voucher == MicrosoftVoucher(ACME_TENANT, domain_owner_verified=False)


async def test_every_person_can_sign_in(stage: Stage) -> None:
    for name, people in (
        ("google", stage.stand_in.google.people),
        ("microsoft", stage.stand_in.microsoft.people),
    ):
        client = stage.client(name, tenant="common")
        for person in people:
            identity = await stage.sign_in(client, person.id, transaction(name), time.time())
            assert isinstance(identity, Identity), person
            assert (str(identity.email) if identity.email else None) == person.email


@pytest.mark.parametrize("methods", [["client_secret_basic"], ["client_secret_post"], ABSENT])
async def test_a_secret_with_any_sign_in_it(stage: Stage, methods: object) -> None:
    stage.stand_in.google.document_changes["token_endpoint_auth_methods_supported"] = methods
    assert await outcome(stage, "google", "jo") is None


async def test_two_people_at_once_are_never_mixed_up(stage: Stage) -> None:
    client = stage.client("google")
    people = stage.stand_in.google.people

    async def sign_in(index: int) -> Identity | Refused:
        own = transaction(state=f"state-{index}", nonce=f"nonce-{index}")
        return await stage.sign_in(client, people[index].id, own, time.time())

    identities = await asyncio.gather(*(sign_in(index) for index in range(len(people))))
    subjects = [who.key.subject for who in identities if isinstance(who, Identity)]
    assert subjects == [getattr(person, "subject", "") for person in people]
    assert stage.stand_in.google.requests["discovery"] == 1
    assert stage.stand_in.google.requests["keys"] == 1


# the way there


async def asked(stage: Stage, name: str, **hints: str | bool) -> dict[str, list[str]]:
    url = await stage.client(name).authorization_url(transaction(name), **hints)  # type: ignore[arg-type]
    return parse_qs(urlsplit(url).query)


async def test_authorization_url(stage: Stage) -> None:
    assert await asked(stage, "google") == {
        "response_type": ["code"],
        "client_id": ["the client"],
        "redirect_uri": [f"{PUBLIC_URL}/sso/callback/google"],
        "scope": ["openid email profile"],
        "state": ["AAAAAAAAAAAAAAAA.the-state"],
        "nonce": ["the-nonce"],
        "code_challenge": ["w1TpKUdYE9hUAcNSeeSRFioHDxfUxuHho_JHAfZ_vDM"],
        "code_challenge_method": ["S256"],
        "claims": ['{"id_token":{"auth_time":{"essential":true}}}'],
    }


async def test_hints(stage: Stage) -> None:
    hints = {"login_hint": "jo@acme.example", "domain_hint": "acme.example"}
    google = await asked(stage, "google", select_account=True, **hints)
    assert google["prompt"] == ["select_account"]
    assert google["login_hint"] == ["jo@acme.example"]
    assert google["hd"] == ["acme.example"]
    microsoft = await asked(stage, "microsoft", **hints)
    assert microsoft["login_hint"] == ["jo@acme.example"]
    assert microsoft["domain_hint"] == ["acme.example"]
    assert "prompt" not in microsoft


async def test_microsofts_account_picker_comes_without_a_hint(stage: Stage) -> None:
    microsoft = await asked(stage, "microsoft", select_account=True, login_hint="jo@acme.example")
    assert microsoft["prompt"] == ["select_account"]
    assert "login_hint" not in microsoft


@pytest.mark.parametrize("hint", ["", "x" * 255, "a\r\nb", "a\x00b", "\u202eevil"])
async def test_strange_hints_are_left_out(stage: Stage, hint: str) -> None:
    assert "login_hint" not in await asked(stage, "google", login_hint=hint)


@pytest.mark.parametrize(
    ("offered", "prompt"),
    [(ABSENT, ["select_account"]), (["none", "login"], ["login"]), (["none"], None)],
)
async def test_the_picker_as_far_as_the_provider_has_one(
    stage: Stage, offered: object, prompt: list[str] | None
) -> None:
    stage.stand_in.google.document_changes["prompt_values_supported"] = offered
    assert (await asked(stage, "google", select_account=True)).get("prompt") == prompt


async def test_sign_out_url(stage: Stage) -> None:
    assert await stage.client("google").sign_out_url("id.state", None) is None
    url = await stage.client("microsoft").sign_out_url("id.state", "O.mara")
    assert url is not None
    assert url.startswith(f"{stage.base_url}/microsoft/organizations/oauth2/v2.0/logout?")
    assert parse_qs(urlsplit(url).query) == {
        "client_id": ["the client"],
        "post_logout_redirect_uri": [f"{PUBLIC_URL}/sso/logout"],
        "state": ["id.state"],
        "logout_hint": ["O.mara"],
    }
    async with stage.browser.get(url) as page:
        assert f'href="{PUBLIC_URL}/sso/logout?state=id.state"' in await page.text()
    without = await stage.client("microsoft").sign_out_url("id.state", None)
    assert without is not None
    assert "logout_hint" not in without


# the authorization response


async def answered(stage: Stage, change: dict[str, object], name: str = "google") -> Reason | None:
    client = stage.client(name)
    params = await stage.pick(
        await client.authorization_url(transaction(name)), "mara" if name == "microsoft" else "jo"
    )
    for key, value in change.items():
        params.popall(key, None)
        for one in value if isinstance(value, list) else [value]:
            if one is not ABSENT:
                params.add(key, str(one))
    return reason(await identify(client, transaction(name), params, time.time()))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"state": ABSENT}, Reason.CALLBACK_MALFORMED),
        ({"state": ""}, Reason.CALLBACK_MALFORMED),
        ({"state": "another"}, Reason.CALLBACK_MALFORMED),
        ({"state": "AAAAAAAAAAAAAAAA.the-stat\u00e9"}, Reason.CALLBACK_MALFORMED),
        (
            {"state": ["AAAAAAAAAAAAAAAA.the-state", "AAAAAAAAAAAAAAAA.the-state"]},
            Reason.CALLBACK_MALFORMED,
        ),
        ({"code": ["one", "two"]}, Reason.CALLBACK_MALFORMED),
        ({"unknown": ["one", "two"]}, Reason.CALLBACK_MALFORMED),
        ({"code": ABSENT}, Reason.CALLBACK_MALFORMED),
        ({"code": ""}, Reason.CALLBACK_MALFORMED),
        ({"code": "made-up"}, Reason.CODE_REFUSED),
        ({"iss": ABSENT}, Reason.CALLBACK_MALFORMED),
        ({"iss": ""}, Reason.CALLBACK_MALFORMED),
        ({"iss": "https://evil.example"}, Reason.CALLBACK_MALFORMED),
        ({"code": ABSENT, "error": "access_denied"}, Reason.PROVIDER_DENIED),
        ({"error": "access_denied"}, Reason.PROVIDER_DENIED),
        ({"error": "access_denied", "iss": ABSENT}, Reason.PROVIDER_DENIED),
        ({"error": "access_denied", "iss": "https://evil.example"}, Reason.CALLBACK_MALFORMED),
        ({"error": "access_denied", "state": "another"}, Reason.CALLBACK_MALFORMED),
        ({"error": "server_error"}, Reason.PROVIDER_ERROR),
        ({"error": ""}, Reason.PROVIDER_ERROR),
        ({"error": "<script>\n"}, Reason.PROVIDER_ERROR),
        ({"unknown": "extra"}, None),
    ],
)
async def test_authorization_response(
    stage: Stage, change: dict[str, object], expected: Reason | None
) -> None:
    assert await answered(stage, change) == expected


@pytest.mark.parametrize(
    ("tenant", "expected"),
    [
        (ACME_TENANT, None),
        (GLOBEX_TENANT, Reason.TOKEN_ISSUER),
        ("{tenantid}", Reason.CALLBACK_MALFORMED),
        ("organizations", Reason.CALLBACK_MALFORMED),
    ],
)
async def test_microsofts_iss_is_compared_when_it_is_there(
    stage: Stage, tenant: str, expected: Reason | None
) -> None:
    named = f"{stage.base_url}/microsoft/{tenant}/v2.0"
    assert await answered(stage, {"iss": named}, "microsoft") == expected


async def test_cancelling_at_the_provider(stage: Stage) -> None:
    assert await outcome(stage, "google", "cancel") == Reason.PROVIDER_DENIED
    assert await outcome(stage, "microsoft", "cancel") == Reason.PROVIDER_DENIED


async def test_a_log_never_gets_an_attackers_error(stage: Stage) -> None:
    params = MultiDict({"state": transaction().state, "error": "x\nsigned_in user=root"})
    refused = await identify(stage.client("google"), transaction(), params, NOW)
    assert refused == Refused(Reason.PROVIDER_ERROR, "not a known error")


async def test_another_providers_transaction(stage: Stage) -> None:
    params = await stage.pick(await stage.client("google").authorization_url(transaction()), "jo")
    refused = await identify(stage.client("microsoft"), transaction(), params, time.time())
    assert reason(refused) == Reason.TRANSACTION_UNKNOWN
    assert stage.stand_in.microsoft.requests["token"] == 0


# the code


async def test_a_code_is_good_once(stage: Stage) -> None:
    client = stage.client("google")
    params = await stage.pick(await client.authorization_url(transaction()), "jo")
    assert reason(await identify(client, transaction(), params, time.time())) is None
    again = await identify(client, transaction(), params, time.time())
    assert reason(again) == Reason.CODE_REFUSED


async def test_a_stolen_code_lacks_its_verifier(stage: Stage) -> None:
    client = stage.client("google")
    params = await stage.pick(await client.authorization_url(transaction()), "jo")
    thief = transaction(code_verifier="w" * 64)
    assert reason(await identify(client, thief, params, time.time())) == Reason.CODE_REFUSED


async def test_an_injected_code_carries_another_nonce(stage: Stage) -> None:
    client = stage.client("google")
    params = await stage.pick(await client.authorization_url(transaction()), "jo")
    other = transaction(nonce="another")
    assert reason(await identify(client, other, params, time.time())) == Reason.TOKEN_NONCE


async def test_a_wrong_secret(stage: Stage) -> None:
    client = stage.client("google", client_secret="wrong")
    refused = await stage.sign_in(client, "jo", transaction(), time.time())
    assert refused == Refused(Reason.PROVIDER_ERROR, "token endpoint: invalid_client")


# the ID token: each fails only the check that is named


EVIL_KEY = new_key()


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(claims={"iss": "https://evil.example"}), Reason.TOKEN_ISSUER),
        (Fault(claims={"iss": ABSENT}), Reason.TOKEN_ISSUER),
        (Fault(claims={"aud": "another client"}), Reason.TOKEN_AUDIENCE),
        (Fault(claims={"aud": ABSENT}), Reason.TOKEN_AUDIENCE),
        (Fault(claims={"aud": ["the client", "x"], "azp": ABSENT}), Reason.TOKEN_AUTHORIZED_PARTY),
        (Fault(claims={"azp": "another client"}), Reason.TOKEN_AUTHORIZED_PARTY),
        (Fault(claims={"nonce": "another"}), Reason.TOKEN_NONCE),
        (Fault(claims={"nonce": ABSENT}), Reason.TOKEN_NONCE),
        (Fault(claims={"exp": 1}), Reason.TOKEN_EXPIRED),
        (Fault(claims={"exp": ABSENT}), Reason.TOKEN_EXPIRED),
        (Fault(claims={"iat": 1}), Reason.TOKEN_ISSUED_AT),
        (Fault(claims={"iat": 9999999999}), Reason.TOKEN_ISSUED_AT),
        (Fault(claims={"nbf": 9999999999}), Reason.TOKEN_ISSUED_AT),
        (Fault(claims={"sub": ABSENT}), Reason.TOKEN_SUBJECT),
        (Fault(claims={"email": "a@evil@acme.example"}), Reason.TOKEN_EMAIL),
        (Fault(claims={"sub": 5}), Reason.TOKEN_MALFORMED),
        # the signature
        (Fault(key=EVIL_KEY), Reason.TOKEN_SIGNATURE),
        (Fault(header={"kid": "another"}), Reason.TOKEN_KEY_UNKNOWN),
        (Fault(header={"typ": "logout+jwt"}), Reason.TOKEN_MALFORMED),
        (Fault(header={"typ": "at+jwt"}), Reason.TOKEN_MALFORMED),
        (Fault(algorithm="RS512"), Reason.TOKEN_ALGORITHM),
        (Fault(algorithm="PS256"), Reason.TOKEN_ALGORITHM),
        (Fault(algorithm="ES256", key=ECKey.generate_key("P-256")), Reason.TOKEN_ALGORITHM),
        (Fault(algorithm="HS256", key=OctKey.generate_key(256)), Reason.TOKEN_ALGORITHM),
        (Fault(token=""), Reason.TOKEN_MALFORMED),
        (Fault(token="x"), Reason.TOKEN_MALFORMED),
        (Fault(token="a.b"), Reason.TOKEN_MALFORMED),
        (Fault(token="a.b.c.d.e"), Reason.TOKEN_MALFORMED),
        (Fault(token="e30.e30.e30"), Reason.TOKEN_MALFORMED),
        (Fault(token="eyJhbGciOiJub25lIn0.e30."), Reason.TOKEN_MALFORMED),
        (Fault(token="eyJhbGciOiJub25lIn0.e30.e30"), Reason.TOKEN_ALGORITHM),
        (Fault(token="eyJhbGciOiJOb05lIn0.e30.e30"), Reason.TOKEN_ALGORITHM),
        (Fault(token="x." + "y" * 40000 + ".z"), Reason.TOKEN_MALFORMED),
        (Fault(token="\u00e9.b.c"), Reason.TOKEN_MALFORMED),
        # the token endpoint
        (Fault(reply=TokenReply(body=b"{}")), Reason.TOKEN_MALFORMED),
        (Fault(reply=TokenReply(body=b'{"id_token": 5}')), Reason.TOKEN_MALFORMED),
        (Fault(reply=TokenReply(body=b'{"id_token": null}')), Reason.TOKEN_MALFORMED),
        (Fault(reply=TokenReply(400, body=b'{"error":"invalid_grant"}')), Reason.CODE_REFUSED),
        (Fault(reply=TokenReply(400, body=b'{"error":"invalid_scope"}')), Reason.PROVIDER_ERROR),
        (Fault(reply=TokenReply(400, body=b'{"error":["x"]}')), Reason.PROVIDER_ERROR),
        (Fault(reply=TokenReply(403)), Reason.PROVIDER_ERROR),
    ],
)
async def test_a_fault_is_refused(stage: Stage, fault: Fault, expected: Reason) -> None:
    stage.stand_in.google.fault = fault
    assert await outcome(stage, "google", "jo") == expected


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(claims={"tid": ABSENT}), Reason.TOKEN_TENANT),
        (Fault(claims={"tid": "acme.example"}), Reason.TOKEN_TENANT),
        (Fault(claims={"tid": GLOBEX_TENANT}), Reason.TOKEN_ISSUER),
        (Fault(claims={"tid": CONSUMER_TENANT}), Reason.TOKEN_TENANT),
        (Fault(claims={"oid": ABSENT}), Reason.TOKEN_SUBJECT),
        (Fault(claims={"aud": "another client"}), Reason.TOKEN_AUDIENCE),
        (Fault(claims={"nonce": ABSENT}), Reason.TOKEN_NONCE),
    ],
)
async def test_microsofts_faults_are_refused(stage: Stage, fault: Fault, expected: Reason) -> None:
    stage.stand_in.microsoft.fault = fault
    assert await outcome(stage, "microsoft", "mara") == expected


@pytest.mark.parametrize("issuer", [None, f"/microsoft/{CONSUMER_TENANT}/v2.0", "/elsewhere"])
async def test_microsofts_keys_speak_for_their_issuer_only(
    stage: Stage, issuer: str | None
) -> None:
    key = stage.stand_in.microsoft.keys[0]
    key.issuer = None if issuer is None else stage.base_url + issuer
    assert await outcome(stage, "microsoft", "mara") == Reason.TOKEN_KEY_ISSUER


async def test_one_tenants_client_refuses_the_others(stage: Stage) -> None:
    client = stage.client("microsoft", tenant=ACME_TENANT)
    own = f"{stage.base_url}/microsoft/{GLOBEX_TENANT}/v2.0"
    stage.stand_in.microsoft.fault = Fault(claims={"tid": GLOBEX_TENANT, "iss": own})
    refused = await stage.sign_in(client, "mara", transaction("microsoft"), time.time())
    assert reason(refused) == Reason.TOKEN_ISSUER


# a provider that is down, changes, or answers nonsense


@pytest.mark.parametrize(
    "reply",
    [
        TokenReply(500),
        TokenReply(503),
        TokenReply(429),
        TokenReply(302, headers={"Location": "https://evil.example/"}),
        TokenReply(200, content_type="text/html", body=b"<p>"),
        TokenReply(200, body=b"{"),
        TokenReply(200, body=b"[]"),
        TokenReply(200, body=b'{"id_token": "' + b"x" * 600_000 + b'"}'),
    ],
)
async def test_nonsense_from_the_token_endpoint(stage: Stage, reply: TokenReply) -> None:
    stage.stand_in.google.fault = Fault(reply=reply)
    with pytest.raises(ProviderUnavailable):
        await outcome(stage, "google", "jo")


async def test_down_from_the_start(stage: Stage) -> None:
    stage.stand_in.google.down = True
    client = stage.client("google")
    with pytest.raises(ProviderUnavailable):
        await client.authorization_url(transaction())
    stage.stand_in.google.down = False
    assert reason(await stage.sign_in(client, "jo", transaction(), time.time())) is None


async def test_a_crowd_at_a_provider_that_is_back_asks_once(stage: Stage) -> None:
    client, provider = stage.client("google"), stage.stand_in.google
    provider.down = True
    for _ in range(3):
        outcomes = await asyncio.gather(
            *(client.authorization_url(transaction()) for _ in range(50)), return_exceptions=True
        )
        assert {type(each) for each in outcomes} == {ProviderUnavailable}
    provider.down = False
    provider.requests.clear()
    urls = await asyncio.gather(*(client.authorization_url(transaction()) for _ in range(50)))
    params = [await stage.pick(url, "jo") for url in urls[:10]]
    people = await asyncio.gather(
        *(identify(client, transaction(), own, time.time()) for own in params)
    )
    assert [reason(who) for who in people] == [None] * 10
    assert (provider.requests["discovery"], provider.requests["keys"]) == (1, 1)


async def test_documents_are_kept_and_fetched_anew(stage: Stage) -> None:
    client, provider = stage.client("google"), stage.stand_in.google
    for _ in range(3):
        assert reason(await stage.sign_in(client, "jo", transaction(), time.time())) is None
    assert (provider.requests["discovery"], provider.requests["keys"]) == (1, 1)
    stage.clock.now += FRESH
    assert reason(await stage.sign_in(client, "jo", transaction(), time.time())) is None
    assert (provider.requests["discovery"], provider.requests["keys"]) == (2, 2)


async def test_a_document_that_names_another_issuer_later_is_not_believed_then_either(
    stage: Stage,
) -> None:
    client, provider = stage.client("google"), stage.stand_in.google
    assert reason(await stage.sign_in(client, "jo", transaction(), time.time())) is None
    provider.document_changes = {"issuer": "https://evil.example"}
    provider.fault = Fault(claims={"iss": "https://evil.example"})
    stage.clock.now += FRESH
    refused = await stage.sign_in(client, "jo", transaction(), time.time())
    assert reason(refused) == Reason.TOKEN_ISSUER
    provider.fault = Fault()
    assert reason(await stage.sign_in(client, "jo", transaction(), time.time())) is None
    stage.clock.now += STALE
    with pytest.raises(ProviderUnavailable, match="another issuer"):
        await stage.sign_in(client, "jo", transaction(), time.time())


async def test_a_rolled_key_is_found_but_not_by_hammering(
    stage: Stage, signing_keys: tuple[RSAKey, RSAKey]
) -> None:
    client, provider = stage.client("google"), stage.stand_in.google
    first = provider.keys
    assert reason(await stage.sign_in(client, "jo", transaction(), time.time())) is None
    provider.keys = [SigningKey("rolled", signing_keys[1])]
    assert reason(await stage.sign_in(client, "jo", transaction(), time.time())) is None
    assert provider.requests["keys"] == 2
    provider.keys = first
    for _ in range(3):
        refused = await stage.sign_in(client, "jo", transaction(), time.time())
        assert reason(refused) == Reason.TOKEN_KEY_UNKNOWN
    assert provider.requests["keys"] == 2
    stage.clock.now += RENEW_AFTER
    assert reason(await stage.sign_in(client, "jo", transaction(), time.time())) is None
    assert provider.requests["keys"] == 3


async def test_keys_that_could_not_be_had_are_asked_for_as_soon_as_they_can(
    stage: Stage, signing_keys: tuple[RSAKey, RSAKey]
) -> None:
    """The provider rolls its keys, and is down when we want to know the new one."""
    client, provider = stage.client("google"), stage.stand_in.google
    assert reason(await stage.sign_in(client, "jo", transaction(), time.time())) is None
    token = jwt.encode({"alg": "RS256", "kid": "rolled"}, {"sub": "jo"}, signing_keys[1])
    provider.down = True
    for _ in range(2):
        with pytest.raises(ProviderUnavailable):
            await client._published.opened(token)
    provider.down = False
    provider.keys = [SigningKey("rolled", signing_keys[1])]
    assert not isinstance(await client._published.opened(token), Refused)
    assert provider.requests["keys"] == 2


async def test_a_rolled_key_fails_nobody_of_those_who_sign_in_at_that_moment(
    stage: Stage, signing_keys: tuple[RSAKey, RSAKey]
) -> None:
    client, provider = stage.client("google"), stage.stand_in.google
    params = [
        await stage.pick(await client.authorization_url(transaction()), "jo") for _ in range(5)
    ]
    assert reason(await stage.sign_in(client, "jo", transaction(), time.time())) is None
    provider.keys = [SigningKey("rolled", signing_keys[1])]
    answers = (identify(client, transaction(), own, time.time()) for own in params)
    assert [reason(who) for who in await asyncio.gather(*answers)] == [None] * 5
    assert provider.requests["keys"] == 2


@pytest.mark.parametrize(("skew", "apart"), [("0s", 0), ("60s", 60), ("5m", 300)])
async def test_clocks_may_be_apart_as_far_as_configured(
    stage: Stage, skew: str, apart: int
) -> None:
    client, now = stage.client("google", clock_skew=skew), int(time.time())

    async def with_times(**claims: int) -> Reason | None:
        stage.stand_in.google.fault = Fault(claims=claims)
        return reason(await stage.sign_in(client, "jo", transaction(), now))

    assert await with_times(iat=now, exp=now - apart + 1) is None
    assert await with_times(iat=now, exp=now - apart) == Reason.TOKEN_EXPIRED
    assert await with_times(iat=now + apart) is None
    assert await with_times(iat=now + apart + 1) == Reason.TOKEN_ISSUED_AT


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://evil.example"},
        {"issuer": ABSENT},
        {"token_endpoint": "http://evil.example/token"},
        {"jwks_uri": ABSENT},
    ],
)
async def test_a_discovery_document_that_is_not_believed(
    stage: Stage, changes: dict[str, object]
) -> None:
    stage.stand_in.google.document_changes = changes
    with pytest.raises(ProviderUnavailable):
        await outcome(stage, "google", "jo")


async def test_a_provider_without_keys_or_secrets(stage: Stage) -> None:
    stage.stand_in.google.keys = []
    client = stage.client("google")
    stage.stand_in.google.fault = Fault(token="a.b.c")
    with pytest.raises(ProviderUnavailable, match="no usable signing key"):
        await stage.sign_in(client, "jo", transaction(), time.time())
    methods = "token_endpoint_auth_methods_supported"
    stage.stand_in.microsoft.document_changes[methods] = ["private_key_jwt"]
    with pytest.raises(ProviderUnavailable, match="private_key_jwt"):
        await outcome(stage, "microsoft", "mara")


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("1//0x ~", True),
        ("x" * 16384, True),
        ("x" * 16385, False),
        ("", False),
        ("x\n", False),
        ("caf\xe9", False),
        ("\ud800", False),
        (5, False),
        (["x"], False),
        (None, False),
    ],
    ids=lambda value: ascii(value)[:20],
)
async def test_a_refresh_token_that_nobody_could_use_is_none(
    aiohttp_server: Callable[[web.Application], Awaitable[TestServer]], given: object, taken: bool
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"refresh_token": given})

    app = web.Application()
    app.router.add_post("/token", answer)
    base = str((await aiohttp_server(app)).make_url("/"))
    document = Document(
        issuer=base,
        authorization_endpoint=base,
        token_endpoint=f"{base}token",
        jwks_uri=base,
    )
    client = Client("id", Secret("secret"), base)
    async with open_http() as http:
        tokens = await refresh(http, document, client, Secret("before"))
    assert isinstance(tokens, Tokens)
    assert (tokens.refresh_token is not None) is taken
