"""docs/verifying.md: its Python is run as it stands, against what a gateway really sends."""

import base64
import hmac
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.jwk import ECKey

from gateway.session.assertion import AssertionMinter
from gateway.session.keys import KeyRing
from tests.session.samples import AUDIENCE, ISSUER, a_session, an_account, ring_of

PAGE = Path(__file__).parent.parent.parent / "docs" / "verifying.md"
KEY_ID = "261123124700a1b2"


def python_of_the_page() -> dict[str, Any]:
    """The names that the page's first Python block defines."""
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[0]
    names: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102 - our own page
    return names


class Gateway:
    """Answers /sso/jwks.json over HTTP, or not at all; counts how often it is asked."""

    def __init__(self) -> None:
        self.signing = {KEY_ID: ec.generate_private_key(ec.SECP256R1())}
        self.asked = 0
        self.down = False
        gateway = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                gateway.asked += 1
                good = self.path == "/sso/jwks.json" and not gateway.down
                body = json.dumps(gateway.minter.jwks()).encode() if good else b"sorry"
                self.send_response(200 if good else 503)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing on the test's output."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/sso/jwks.json"
        self._serving = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self._serving.start()

    @property
    def minter(self) -> AssertionMinter:
        keys = ring_of(self.signing)
        return AssertionMinter(keys, issuer=ISSUER, audience=AUDIENCE, lifetime=300.0)

    def mint(self) -> str:
        return self.minter.mint(a_session(time.time()), time.time())

    def close(self) -> None:
        self.server.shutdown()
        self._serving.join()
        self.server.server_close()


@dataclass
class Page:
    """The page's verifier, and its exception."""

    verify: Callable[[str], dict[str, Any]]
    refused: type[Exception]
    gateway: Gateway


@pytest.fixture
def page() -> Iterator[Page]:
    gateway, names = Gateway(), python_of_the_page()
    verifier = names["AssertionVerifier"](gateway.url, issuer=ISSUER, audience=AUDIENCE)
    yield Page(verifier.verify, names["NotProven"], gateway)
    gateway.close()


def test_a_good_assertion(page: Page) -> None:
    claims = page.verify(page.gateway.mint())
    assert (claims["sub"], claims["username"]) == ("id-jo", "jo")


def test_keys_are_fetched_once(page: Page) -> None:
    for _ in range(20):
        page.verify(page.gateway.mint())
    assert page.gateway.asked == 1


def test_made_up_key_ids_are_no_flood(page: Page) -> None:
    good = page.gateway.mint()
    page.verify(good)
    for number in range(20):
        with pytest.raises(page.refused):
            page.verify(signed(page, kid=f"made-up-{number}"))
    assert page.gateway.asked == 1
    page.verify(good)


def test_an_account_without_email_has_no_email_claim(page: Page) -> None:
    session = a_session(time.time(), account=an_account(email=None))
    assert "email" not in page.verify(page.gateway.minter.mint(session, time.time()))


def test_the_gateway_down_before_the_first_fetch_means_no(page: Page) -> None:
    page.gateway.down = True
    with pytest.raises(page.refused):
        page.verify(page.gateway.mint())


def test_the_gateway_down_later_changes_nothing(page: Page) -> None:
    page.verify(page.gateway.mint())
    page.gateway.down = True
    assert page.verify(page.gateway.mint())["sub"] == "id-jo"


def signed(page: Page, *, kid: str | None = KEY_ID, key: Any = None, **changes: object) -> str:
    """An assertion like the gateway's, with claims changed; `None` takes one out."""
    now = int(time.time())
    claims: dict[str, Any] = {"iss": ISSUER, "aud": AUDIENCE, "sub": "id-jo", "iat": now}
    claims |= {"exp": now + 300, **changes}
    claims = {name: value for name, value in claims.items() if value is not None}
    header = {"alg": "ES256"} if kid is None else {"alg": "ES256", "kid": kid}
    signing = ECKey.import_key(page.gateway.signing[KEY_ID] if key is None else key)
    return jwt.encode(header, claims, signing, algorithms=["ES256"])


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def unsigned(page: Page) -> str:
    _, claims, _ = signed(page).split(".")
    return f"{part({'alg': 'none', 'kid': KEY_ID})}.{claims}."


def hmac_with_the_public_key(page: Page) -> str:
    """Algorithm confusion: the public key, which everybody has, used as a shared secret."""
    public = page.gateway.signing[KEY_ID].public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signing_input = f"{part({'alg': 'HS256', 'kid': KEY_ID})}.{signed(page).split('.')[1]}"
    mac = hmac.digest(pem, signing_input.encode(), "sha256")
    return f"{signing_input}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def with_other_claims(page: Page) -> str:
    header, _, signature = signed(page).split(".")
    return f"{header}.{signed(page, sub='id-al').split('.')[1]}.{signature}"


def soon() -> int:
    return int(time.time()) + 300


ATTACKS: dict[str, Callable[[Page], str]] = {
    "nothing": lambda page: "",
    "garbage": lambda page: "a.b.c",
    "not a token": lambda page: "x" * 10_000,
    "no algorithm": unsigned,
    "another algorithm": hmac_with_the_public_key,
    "other claims under the signature": with_other_claims,
    "no signature": lambda page: signed(page).rpartition(".")[0] + ".",
    "another key": lambda page: signed(page, key=ec.generate_private_key(ec.SECP256R1())),
    "another key id": lambda page: signed(page, kid="0" * 16),
    "no key id": lambda page: signed(page, kid=None),
    "another issuer": lambda page: signed(page, iss="https://evil.example"),
    "an issuer that begins like ours": lambda page: signed(page, iss=ISSUER + ".evil.example"),
    "no issuer": lambda page: signed(page, iss=None),
    "another audience": lambda page: signed(page, aud="billing"),
    "several audiences": lambda page: signed(page, aud=["billing", AUDIENCE]),
    "no audience": lambda page: signed(page, aud=None),
    "ended": lambda page: signed(page, exp=int(time.time()) - 31),
    "no end": lambda page: signed(page, exp=None),
    "an end that is no number": lambda page: signed(page, exp="9999999999"),
    "an end that is true": lambda page: signed(page, exp=True),
    "from the future": lambda page: signed(page, iat=int(time.time()) + 60, exp=soon()),
    "no beginning": lambda page: signed(page, iat=None),
    "no account": lambda page: signed(page, sub=None),
    "an empty account": lambda page: signed(page, sub=""),
    "an account that is no text": lambda page: signed(page, sub=4711),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_is_refused(attack: str, page: Page) -> None:
    page.verify(page.gateway.mint())
    with pytest.raises(page.refused):
        page.verify(ATTACKS[attack](page))


def test_clocks_may_differ_a_little(page: Page) -> None:
    now = int(time.time())
    assert page.verify(signed(page, exp=now - 10))
    assert page.verify(signed(page, iat=now + 10))


def test_the_page_names_what_the_assertion_holds(keys: KeyRing) -> None:
    minter = AssertionMinter(keys, issuer=ISSUER, audience=AUDIENCE, lifetime=300)
    claims = jwt.decode(
        minter.mint(a_session(time.time()), time.time()),
        ECKey.import_key(keys.signing_key.private),
        algorithms=["ES256"],
    ).claims
    table = PAGE.read_text().partition("## What is in it")[2].partition("## What to check")[0]
    named = set(re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE))
    assert {name for cell in named for name in re.findall(r"`(\w+)`", cell)} == set(claims)
