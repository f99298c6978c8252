"""What Sonar believes: one change at a time to a genuine assertion, each refused."""

import base64
import json
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from demo.sonar import assertion
from demo.sonar.assertion import Asserted, Assertions, Untrusted, read_claims
from tests.certificates import make_pair
from tests.demo.conftest import GatewayKeys, genuine_claims, new_key

NOW = 1_800_000_000.0


@pytest.fixture
async def assertions(gateway_keys: GatewayKeys) -> AsyncIterator[Assertions]:
    async with aiohttp.ClientSession() as http:
        yield Assertions(gateway_keys.trust(), http)


async def test_believes_a_genuine_one(assertions: Assertions, gateway_keys: GatewayKeys) -> None:
    assert await assertions.verify(gateway_keys.assertion(1001)) == Asserted(1001, "google")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"iss": None}, "another issuer"),
        ({"aud": "other"}, "meant for another application"),
        ({"aud": ["sonar", "other"]}, "meant for another application"),
        ({"aud": None}, "meant for another application"),
        ({"exp": 1}, "expired"),
        ({"exp": "9999999999"}, "expired"),
        ({"exp": True}, "expired"),
        ({"exp": None}, "expired"),
        ({"iat": time.time() + 3600}, "issued in the future"),
        ({"iat": None}, "issued in the future"),
        ({"sub": "jmarch"}, "not one of our account ids"),
        ({"sub": "١٠٠١"}, "not one of our account ids"),
        ({"sub": ""}, "not one of our account ids"),
        ({"sub": None}, "not one of our account ids"),
        ({"provider": None}, "no provider"),
    ],
)
async def test_refuses_each_wrong_claim(
    assertions: Assertions, gateway_keys: GatewayKeys, changes: dict[str, object], why: str
) -> None:
    assert await assertions.verify(gateway_keys.assertion(changes=changes)) == Untrusted(why)


def test_expires_to_the_second(gateway_keys: GatewayKeys) -> None:
    trust = gateway_keys.trust()
    claims = genuine_claims(7) | {"iat": NOW, "exp": NOW + 300}
    assert isinstance(read_claims(claims, trust, NOW + 299.9), Asserted)
    assert read_claims(claims, trust, NOW + 300) == Untrusted("expired")
    assert isinstance(read_claims(claims, trust, NOW - 30), Asserted)
    assert read_claims(claims, trust, NOW - 31) == Untrusted("issued in the future")


class TestSignature:
    async def test_of_another_key_with_the_same_id(
        self, assertions: Assertions, gateway_keys: GatewayKeys
    ) -> None:
        forged = gateway_keys.assertion(key=new_key("first"))
        assert await assertions.verify(forged) == Untrusted("signature does not verify")

    async def test_of_an_unknown_key(
        self, assertions: Assertions, gateway_keys: GatewayKeys
    ) -> None:
        forged = gateway_keys.assertion(key=new_key("mine"))
        assert await assertions.verify(forged) == Untrusted("signed with an unknown key")

    async def test_changed_claims(self, assertions: Assertions, gateway_keys: GatewayKeys) -> None:
        head, _, signature = gateway_keys.assertion(1001).split(".")
        claims = json.dumps(genuine_claims(1002)).encode()
        body = base64.urlsafe_b64encode(claims).rstrip(b"=").decode()
        forged = f"{head}.{body}.{signature}"
        assert await assertions.verify(forged) == Untrusted("signature does not verify")

    async def test_none(self, assertions: Assertions) -> None:
        header = base64.urlsafe_b64encode(b'{"alg":"none","kid":"first"}').rstrip(b"=").decode()
        claims = json.dumps(genuine_claims(1001)).encode()
        body = base64.urlsafe_b64encode(claims).rstrip(b"=").decode()
        forged = f"{header}.{body}."
        assert isinstance(await assertions.verify(forged), Untrusted)

    async def test_hmac_with_the_public_key_as_its_secret(
        self, assertions: Assertions, gateway_keys: GatewayKeys
    ) -> None:
        public = OctKey.import_key(gateway_keys.keys[0].as_pem(private=False).hex())
        header = {"alg": "HS256", "kid": "first"}
        forged = jwt.encode(header, genuine_claims(1001), public)
        assert await assertions.verify(forged) == Untrusted("not ES256 with a key id")

    async def test_rsa(self, assertions: Assertions) -> None:
        key = RSAKey.generate_key(2048)
        forged = jwt.encode({"alg": "RS256", "kid": "first"}, genuine_claims(1001), key)
        assert await assertions.verify(forged) == Untrusted("not ES256 with a key id")

    async def test_no_key_id(self, assertions: Assertions, gateway_keys: GatewayKeys) -> None:
        token = jwt.encode({"alg": "ES256"}, genuine_claims(1001), gateway_keys.keys[0])
        assert await assertions.verify(token) == Untrusted("not ES256 with a key id")

    @pytest.mark.parametrize("text", ["", "a.b.c", "....", "x" * 10_000, "é.é.é", "e30.e30.e30"])
    async def test_rubbish(self, assertions: Assertions, text: str) -> None:
        assert isinstance(await assertions.verify(text), Untrusted)


class TestKeys:
    async def test_are_fetched_once(
        self, assertions: Assertions, gateway_keys: GatewayKeys
    ) -> None:
        for _ in range(3):
            assert isinstance(await assertions.verify(gateway_keys.assertion()), Asserted)
        assert gateway_keys.asked == 1

    async def test_a_new_one_is_learned_and_a_flood_of_made_up_ones_is_not_passed_on(
        self,
        assertions: Assertions,
        gateway_keys: GatewayKeys,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        await assertions.verify(gateway_keys.assertion())
        for number in range(20):
            forged = gateway_keys.assertion(key=new_key(f"made-up-{number}"))
            await assertions.verify(forged)
        assert gateway_keys.asked == 1

        monkeypatch.setattr(assertion, "_REFETCH_PAUSE", 0.0)
        rolled: ECKey = new_key("second")
        gateway_keys.keys.append(rolled)
        assert isinstance(await assertions.verify(gateway_keys.assertion(key=rolled)), Asserted)
        assert gateway_keys.asked == 2

    async def test_one_taken_back_stops_working(
        self,
        assertions: Assertions,
        gateway_keys: GatewayKeys,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        old = gateway_keys.assertion()
        assert isinstance(await assertions.verify(old), Asserted)
        gateway_keys.keys[:] = [new_key("second")]
        monkeypatch.setattr(assertion, "_REFETCH_PAUSE", 0.0)
        assert isinstance(await assertions.verify(gateway_keys.assertion()), Asserted)
        assert await assertions.verify(old) == Untrusted("signed with an unknown key")

    async def test_without_any_nobody_is_believed(
        self, assertions: Assertions, gateway_keys: GatewayKeys
    ) -> None:
        gateway_keys.broken = True
        token = gateway_keys.assertion()
        assert await assertions.verify(token) == Untrusted("signed with an unknown key")

    async def test_the_known_ones_serve_while_the_gateway_does_not_answer(
        self,
        assertions: Assertions,
        gateway_keys: GatewayKeys,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        await assertions.verify(gateway_keys.assertion())
        gateway_keys.broken = True
        monkeypatch.setattr(assertion, "_REFETCH_PAUSE", 0.0)
        await assertions.verify(gateway_keys.assertion(key=new_key("made-up")))
        assert isinstance(await assertions.verify(gateway_keys.assertion()), Asserted)
        monkeypatch.setattr(assertion, "_KEYS_AGE", 0.0)
        stale = await assertions.verify(gateway_keys.assertion())
        assert stale == Untrusted("signed with an unknown key")


@pytest.mark.parametrize(("shown", "believed"), [("own", True), ("another", False)])
async def test_keys_over_tls_come_from_the_gateways_own_certificate(
    tmp_path: Path, shown: str, believed: bool
) -> None:
    """By the machine's number, which no certificate names, as from the machine itself."""
    pairs = {"own": make_pair("sonar.acme.example"), "another": make_pair("sonar.acme.example")}
    expected = Path(pairs["own"].write(tmp_path)["certificate"])
    (other := tmp_path / shown).mkdir()
    files = pairs[shown].write(other)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files["certificate"], files["key"])
    keys = GatewayKeys()
    app = web.Application()
    app.router.add_get("/sso/jwks.json", keys.answer)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=context)
    async with server, aiohttp.ClientSession() as http:
        keys.url = str(server.make_url("/sso/jwks.json"))
        trust = replace(keys.trust(), certificate=expected)
        found = await Assertions(trust, http).verify(keys.assertion(1001))
    assert isinstance(found, Asserted) is believed
