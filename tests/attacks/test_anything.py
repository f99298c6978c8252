"""Whatever a provider or a browser says: an identity or a refusal, never an exception, never a
surprise."""

import json
import time
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict

from gateway.errors import ProviderUnavailable
from gateway.identity.answer import Code, read_answer
from gateway.identity.claims import Expected, verify_claims
from gateway.identity.discovery import WELL_KNOWN, Document, read_document
from gateway.identity.model import Identity, Kind, Refused, UnverifiedClaims
from gateway.identity.token import open_token, read_keys
from tests.attacks.liar import Realm, honest_keys, rsa
from tests.identity.crafting import b64, published, signature
from tests.identity.test_discovery import DOCUMENT, GOOGLE

KINDS: tuple[Kind, ...] = ("google", "microsoft", "oidc")
KEYS = read_keys({"keys": [published(rsa("honest"))]})
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
REALMS = {kind: Realm(kind, kind, honest_keys(kind), url="https://liar.example") for kind in KINDS}

# JSON as Python's reader makes it, with what other readers refuse: NaN, huge numbers, surrogates.
texts = st.text(st.characters(codec=None), max_size=40)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=6,
)


def some_of(honest: Mapping[str, object]) -> st.SearchStrategy[dict[str, object]]:
    """`honest` with some members replaced or gone, and others added."""
    gone = st.sets(st.sampled_from(sorted(honest)), max_size=3)
    changed = st.dictionaries(st.sampled_from(sorted(honest)) | texts, values, max_size=3)
    return st.builds(
        lambda gone, changed: {k: v for k, v in honest.items() if k not in gone} | changed,
        gone,
        changed,
    )


@given(st.sampled_from(KINDS), st.data())
def test_any_claims(kind: Kind, data: st.DataObject) -> None:
    """Who is believed said every single thing right."""
    realm = REALMS[kind]
    honest = realm.claims("the nonce")
    claims = data.draw(some_of(honest))
    key_issuer = realm.issuer if kind == "microsoft" else None
    expected = Expected(kind, realm.issuer, "sonar", 60.0, kind, "the nonce", "organizations")
    who = verify_claims(UnverifiedClaims(claims, key_issuer), expected, time.time())
    if isinstance(who, Identity):
        demanded = {"iss", "aud", "exp", "iat", "nonce", "sub", *honest.keys() & {"tid", "oid"}}
        assert demanded <= claims.keys()
        assert claims["nonce"] == "the nonce"
        assert who.email is None or str(who.email) == str(claims["email"]).strip().lower()
        assert who.key.subject in {claims["sub"], f"{claims.get('tid')}.{claims.get('oid')}"}
    else:
        assert isinstance(who, Refused)


headers = some_of({"alg": "RS256", "kid": "one", "typ": "JWT"})
payloads = st.binary(max_size=40) | values.map(lambda value: json.dumps(value).encode())


@given(headers, payloads, st.booleans())
def test_any_token(header: dict[str, object], payload: bytes, signed: bool) -> None:
    """Only what the right key signed in the right way is opened, and read as it stands there."""
    start = f"{b64(json.dumps(header).encode())}.{b64(payload)}"
    mac = signature(rsa("honest"), "RS256")(start.encode()) if signed else b"made up"
    opened = open_token(f"{start}.{b64(mac)}", KEYS, ALGORITHMS)
    if isinstance(opened, UnverifiedClaims):
        assert signed
        assert header["alg"] == "RS256"
        assert header.get("kid") in {"one", None}
        assert json.dumps(opened.claims) == json.dumps(json.loads(payload))
    else:
        assert isinstance(opened, Refused)


@given(texts | st.from_regex(r"[A-Za-z0-9_.=-]{0,60}"))
def test_any_text_for_a_token(text: str) -> None:
    assert isinstance(open_token(text, KEYS, ALGORITHMS), Refused)


members = some_of(
    {**published(rsa("honest")), "crv": "P-256", "x": "AA", "y": "AA", "alg": "RS256"}
)


@given(st.lists(members | values, max_size=4) | values)
def test_any_key_set(listed: object) -> None:
    """The keys that are read are public, strong, and for signatures."""
    for signing in read_keys({"keys": listed}):
        assert not signing.key.is_private
        assert signing.key.key_type in {"RSA", "EC", "OKP"}
        open_token("e30.e30.e30", (signing,), ALGORITHMS)


@given(some_of(DOCUMENT))
def test_any_discovery_document(content: dict[str, object]) -> None:
    """The one that is believed names its own issuer, and only https."""
    try:
        document = read_document("google", GOOGLE, content)
    except ProviderUnavailable:
        return
    assert isinstance(document, Document)
    assert document.issuer.rstrip("/") == GOOGLE.removesuffix(WELL_KNOWN)
    endpoints = (document.authorization_endpoint, document.token_endpoint, document.jwks_uri)
    assert all(url.startswith("https://") for url in endpoints)


names = st.sampled_from(["code", "state", "iss", "error", "error_description", ""]) | texts


@given(st.lists(st.tuples(names, texts | st.sampled_from(["the state", "x"])), max_size=6))
def test_any_answer(pairs: list[tuple[str, str]]) -> None:
    document = read_document("google", GOOGLE, DOCUMENT)
    answer = read_answer(MultiDict(pairs), "the state", document)
    if isinstance(answer, Code):
        assert dict(pairs)["state"] == "the state"
        assert answer.code == dict(pairs)["code"]
        assert len(dict(pairs)) == len(pairs)
        assert answer.issuer in {None, document.issuer}
    else:
        assert answer.detail.isprintable()
