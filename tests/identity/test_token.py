"""The signature of an ID token: what an attacker may write into a header, and which keys count."""

import hmac
import json
from collections.abc import Callable, Mapping
from functools import partial

import pytest
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from gateway.identity.model import Refused, UnverifiedClaims
from gateway.identity.token import SigningKey, open_token, read_keys
from gateway.reasons import Reason
from tests.identity.crafting import Sign, b64, published, signature
from tests.identity.crafting import craft as craft_with

RS, PS, ES = ("RS256",), ("PS256",), ("ES256",)
EVERYTHING = (
    "RS256", "RS512", "PS256", "ES256", "ES512", "EdDSA", "HS256", "none", "ES256K", "dir",
)  # fmt: skip

CLAIMS = {"sub": "jo"}


def craft(header: object, sign: Sign, payload: object = CLAIMS) -> str:
    return craft_with(header, sign, payload)


def read(*keys: Mapping[str, object]) -> tuple[SigningKey, ...]:
    return read_keys({"keys": list(keys)})


def reason(outcome: UnverifiedClaims | Refused) -> Reason | None:
    return outcome.reason if isinstance(outcome, Refused) else None


@pytest.fixture(scope="module")
def rsa() -> RSAKey:
    return RSAKey.generate_key(2048)


@pytest.fixture(scope="module")
def other() -> RSAKey:
    return RSAKey.generate_key(2048)


@pytest.fixture(scope="module")
def ec() -> ECKey:
    return ECKey.generate_key("P-256")


def test_a_right_signature_gives_the_claims_unverified(rsa: RSAKey) -> None:
    token = craft({"alg": "RS256", "kid": "one"}, signature(rsa, "RS256"))
    keys = read(published(rsa, issuer="https://issuer.example"))
    assert open_token(token, keys, RS) == UnverifiedClaims(CLAIMS, "https://issuer.example")


@pytest.mark.parametrize(
    ("make", "algorithm"),
    [
        (lambda: RSAKey.generate_key(2048), "RS256"),
        (lambda: RSAKey.generate_key(3072), "RS512"),
        (lambda: RSAKey.generate_key(2048), "PS256"),
        (lambda: ECKey.generate_key("P-256"), "ES256"),
        (lambda: ECKey.generate_key("P-521"), "ES512"),
        (lambda: OKPKey.generate_key("Ed25519"), "EdDSA"),
    ],
)
def test_algorithms(make: Callable[[], Key], algorithm: str) -> None:
    key = make()
    token = craft({"alg": algorithm, "kid": "one"}, signature(key, algorithm))
    assert reason(open_token(token, read(published(key)), (algorithm,))) is None
    assert reason(open_token(token, read(published(key)), ("RS384",))) == Reason.TOKEN_ALGORITHM
    assert reason(open_token(token, read(published(make())), (algorithm,))) == (
        Reason.TOKEN_SIGNATURE
    )


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"alg": "RS256", "kid": "one"}, None),
        ({"alg": "RS256", "kid": "one", "typ": "JWT"}, None),
        ({"alg": "RS256", "kid": "one", "typ": "jwt", "x5t": "a", "extra": 1}, None),
        ({"alg": "RS256"}, None),
        # no other algorithm, by whatever name, even with a right signature of the real one
        ({"alg": "none", "kid": "one"}, Reason.TOKEN_ALGORITHM),
        ({"alg": "None", "kid": "one"}, Reason.TOKEN_ALGORITHM),
        ({"alg": "", "kid": "one"}, Reason.TOKEN_ALGORITHM),
        ({"alg": "rs256", "kid": "one"}, Reason.TOKEN_ALGORITHM),
        ({"alg": "RS384", "kid": "one"}, Reason.TOKEN_ALGORITHM),
        ({"alg": None, "kid": "one"}, Reason.TOKEN_ALGORITHM),
        ({"alg": ["RS256"], "kid": "one"}, Reason.TOKEN_ALGORITHM),
        ({"alg": {"RS256": 1}, "kid": "one"}, Reason.TOKEN_ALGORITHM),
        # no other key
        ({"alg": "RS256", "kid": "two"}, Reason.TOKEN_KEY_UNKNOWN),
        ({"alg": "RS256", "kid": ""}, Reason.TOKEN_KEY_UNKNOWN),
        ({"alg": "RS256", "kid": "ONE"}, Reason.TOKEN_KEY_UNKNOWN),
        ({"alg": "RS256", "kid": 5}, Reason.TOKEN_KEY_UNKNOWN),
        ({"alg": "RS256", "kid": ["one"]}, Reason.TOKEN_KEY_UNKNOWN),
        ({"alg": "RS256", "kid": "../../dev/null"}, Reason.TOKEN_KEY_UNKNOWN),
        # no extension, no other kind of JWT
        ({"alg": "RS256", "kid": "one", "crit": ["exp"]}, Reason.TOKEN_MALFORMED),
        ({"alg": "RS256", "kid": "one", "crit": []}, Reason.TOKEN_MALFORMED),
        ({"alg": "RS256", "kid": "one", "b64": False}, Reason.TOKEN_MALFORMED),
        ({"alg": "RS256", "kid": "one", "b64": False, "crit": ["b64"]}, Reason.TOKEN_MALFORMED),
        ({"alg": "RS256", "kid": "one", "typ": "at+jwt"}, Reason.TOKEN_MALFORMED),
        ({"alg": "RS256", "kid": "one", "typ": "logout+jwt"}, Reason.TOKEN_MALFORMED),
        ({"alg": "RS256", "kid": "one", "typ": "secevent+jwt"}, Reason.TOKEN_MALFORMED),
        ({"alg": "RS256", "kid": "one", "typ": ["JWT"]}, Reason.TOKEN_MALFORMED),
        # not a header
        ({}, Reason.TOKEN_MALFORMED),
        ({"kid": "one"}, Reason.TOKEN_MALFORMED),
        ([], Reason.TOKEN_MALFORMED),
        (["alg"], Reason.TOKEN_MALFORMED),
        ("alg", Reason.TOKEN_MALFORMED),
        (None, Reason.TOKEN_MALFORMED),
        ({"alg": "RS256", "kid": "one", "pad": "x" * 8000}, Reason.TOKEN_MALFORMED),
    ],
)
def test_headers(rsa: RSAKey, header: object, expected: Reason | None) -> None:
    token = craft(header, signature(rsa, "RS256"))
    assert reason(open_token(token, read(published(rsa)), RS)) == expected


def test_a_key_in_the_token_is_never_used(rsa: RSAKey, other: RSAKey) -> None:
    header = {"alg": "RS256", "kid": "one", "jwk": other.as_dict(private=False)}
    token = craft(header, signature(other, "RS256"))
    assert reason(open_token(token, read(published(rsa)), RS)) == Reason.TOKEN_SIGNATURE
    header = {"alg": "RS256", "kid": "one", "jku": "https://evil.example/keys"}
    token = craft(header, signature(other, "RS256"))
    assert reason(open_token(token, read(published(rsa)), RS)) == Reason.TOKEN_SIGNATURE


@pytest.mark.parametrize("algorithms", [RS, EVERYTHING])
def test_hmac_with_the_public_key_as_its_secret(rsa: RSAKey, algorithms: tuple[str, ...]) -> None:
    """RFC 8725 section 2.1; refused though the configuration allows everything."""
    for public in (rsa.as_pem(private=False), rsa.as_der(private=False)):
        token = craft(
            {"alg": "HS256", "kid": "one"},
            partial(hmac.digest, public, digest="sha256"),
        )
        outcome = open_token(token, read(published(rsa)), algorithms)
        assert reason(outcome) == Reason.TOKEN_ALGORITHM


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE"])
def test_no_signature_at_all(rsa: RSAKey, name: str) -> None:
    header = b64(json.dumps({"alg": name, "kid": "one"}).encode())
    payload = b64(json.dumps(CLAIMS).encode())
    for end in ("", "AA"):
        outcome = open_token(f"{header}.{payload}.{end}", read(published(rsa)), EVERYTHING)
        assert reason(outcome) in {Reason.TOKEN_ALGORITHM, Reason.TOKEN_MALFORMED}


def test_a_changed_token_is_refused(rsa: RSAKey) -> None:
    token = craft({"alg": "RS256", "kid": "one"}, signature(rsa, "RS256"))
    keys = read(published(rsa))
    header, payload, signed = token.split(".")
    evil = b64(json.dumps({"sub": "eve"}).encode())
    assert reason(open_token(f"{header}.{evil}.{signed}", keys, RS)) == Reason.TOKEN_SIGNATURE
    flipped = signed[:40] + ("A" if signed[40] != "A" else "B") + signed[41:]
    assert reason(open_token(f"{header}.{payload}.{flipped}", keys, RS)) == Reason.TOKEN_SIGNATURE
    assert reason(open_token(f"{header}.{payload}.AA", keys, RS)) == Reason.TOKEN_SIGNATURE
    for broken in (
        f"{header}.{payload}.{signed}=",
        f"{header}.{payload}.{signed}.",
        f"{header}.{payload}.{signed}\n",
        f" {token}",
        f"{header}..{signed}",
        f"{header}.{payload}",
        token.replace(".", "_"),
        "",
        "\u00e9" + token,
        "x" * 40000,
    ):
        assert reason(open_token(broken, keys, RS)) == Reason.TOKEN_MALFORMED


@pytest.mark.parametrize(
    "payload", [b"[]", b'"jo"', b"", b"{", b"null", b"5", b"\xff", b"[" * 9999]
)
def test_a_payload_that_is_no_object(rsa: RSAKey, payload: bytes) -> None:
    token = craft({"alg": "RS256", "kid": "one"}, signature(rsa, "RS256"), payload)
    assert reason(open_token(token, read(published(rsa)), RS)) == Reason.TOKEN_MALFORMED


@pytest.mark.parametrize(
    ("members", "usable"),
    [
        ({}, True),
        ({"alg": "RS256"}, True),
        ({"alg": "RS512"}, False),
        ({"alg": "RSA-OAEP"}, False),
        ({"use": "enc"}, False),
        ({"use": 5}, False),
        ({"key_ops": ["verify"]}, True),
        ({"key_ops": ["encrypt"]}, False),
        ({"key_ops": "verify"}, False),
        ({"kid": "two"}, False),
        ({"kid": 5}, False),
        ({"kty": "oct", "k": "AAAA"}, False),
        ({"kty": "EC"}, False),
        ({"kty": "unheard-of"}, False),
        ({"kty": ["RSA"]}, False),
        ({"n": "AQAB"}, False),
        ({"n": ""}, False),
        ({"n": "***"}, False),
        ({"n": 5}, False),
        ({"e": "AA"}, False),
        ({"e": "AQ"}, False),
        ({"e": "AQAAAAE"}, False),
        ({"e": "AQAA"}, False),
        ({"issuer": 5}, False),
        ({"x5c": ["not a certificate"]}, True),
    ],
)
def test_which_published_keys_count(rsa: RSAKey, members: dict[str, object], usable: bool) -> None:
    token = craft({"alg": "RS256", "kid": "one"}, signature(rsa, "RS256"))
    outcome = open_token(token, read(published(rsa, **members)), RS)
    assert reason(outcome) == (None if usable else Reason.TOKEN_KEY_UNKNOWN)


def test_a_short_rsa_key_counts_for_nothing() -> None:
    with pytest.warns(match="2048"):
        weak = RSAKey.generate_key(1024)
    assert read(published(weak)) == ()


def test_a_huge_rsa_key_counts_for_nothing(rsa: RSAKey) -> None:
    """To verify with it would keep everybody else waiting."""
    modulus = b64(b"\xff" * 1025)
    assert read(published(rsa, n=modulus)) == ()
    assert len(read(published(rsa, n=b64(b"\xff" * 1024)))) == 1


def test_many_keys_under_one_id_are_not_all_tried(rsa: RSAKey, other: RSAKey) -> None:
    token = craft({"alg": "RS256", "kid": "one"}, signature(rsa, "RS256"))
    for others, expected in ((3, None), (4, Reason.TOKEN_SIGNATURE)):
        keys = read(*[published(other)] * others, published(rsa))
        assert reason(open_token(token, keys, RS)) == expected


@pytest.mark.parametrize(
    ("header", "payload"),
    [
        ('{"alg":"none","kid":"one","alg":"RS256"}', '{"sub":"jo"}'),
        ('{"alg":"RS256","kid":"two","kid":"one"}', '{"sub":"jo"}'),
        ('{"alg":"RS256","kid":"one"}', '{"sub":"eve","sub":"jo"}'),
        ('{"alg":"RS256","kid":"one"}', '{"sub":"jo","address":{"x":1,"x":2}}'),
    ],
)
def test_what_stands_there_twice_has_two_readings(rsa: RSAKey, header: str, payload: str) -> None:
    """RFC 7515 section 4, RFC 7519 section 4."""
    signed = f"{b64(header.encode())}.{b64(payload.encode())}"
    token = f"{signed}.{b64(signature(rsa, 'RS256')(signed.encode()))}"
    assert reason(open_token(token, read(published(rsa)), RS)) == Reason.TOKEN_MALFORMED


def test_a_strange_key_does_not_take_the_others_away(rsa: RSAKey) -> None:
    token = craft({"alg": "RS256", "kid": "one"}, signature(rsa, "RS256"))
    strange: list[object] = ["x", None, {"kty": "AKP", "kid": "pq"}, {}, {"kty": "RSA"}]
    keys = read_keys({"keys": [*strange, published(rsa)]})
    assert reason(open_token(token, keys, RS)) is None


@pytest.mark.parametrize("content", [{}, {"keys": None}, {"keys": {}}, {"keys": "x"}, {"keys": []}])
def test_no_key_set(content: dict[str, object]) -> None:
    assert read_keys(content) == ()


def test_without_a_key_id_there_must_be_one_fitting_key(
    rsa: RSAKey, other: RSAKey, ec: ECKey
) -> None:
    token = craft({"alg": "RS256"}, signature(rsa, "RS256"))
    assert reason(open_token(token, read(published(ec), published(rsa)), RS)) is None
    both = read(published(rsa), published(other, kid="two"))
    assert reason(open_token(token, both, RS)) == Reason.TOKEN_KEY_UNKNOWN


def test_two_keys_under_one_id(rsa: RSAKey, other: RSAKey, ec: ECKey) -> None:
    """The right one is found, and its issuer is the one that is told."""
    token = craft({"alg": "RS256", "kid": "one"}, signature(rsa, "RS256"))
    keys = read(published(ec), published(other, issuer="theirs"), published(rsa, issuer="ours"))
    assert open_token(token, keys, RS) == UnverifiedClaims(CLAIMS, "ours")


def test_an_elliptic_key_on_another_curve(ec: ECKey) -> None:
    wide = ECKey.generate_key("P-384")
    token = craft({"alg": "ES256", "kid": "one"}, signature(ec, "ES256"))
    outcome = open_token(token, read(published(wide)), ES)
    assert isinstance(outcome, Refused)
