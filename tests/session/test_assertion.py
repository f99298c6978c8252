"""What upstream is told can be verified with nothing but the JWKS."""

from typing import cast

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import ECKey, KeySet, KeySetSerialization

from gateway.session.assertion import AssertionMinter
from gateway.session.keys import KeyRing
from gateway.session.keys.model import SLACK, new_key, root_key
from gateway.session.keys.ring import Lives
from tests.session.samples import AUDIENCE, ISSUER, Clock, a_session, an_account, ring_of

NOW = 1_800_000_000.75


def minter_for(keys: KeyRing) -> AssertionMinter:
    return AssertionMinter(keys, issuer=ISSUER, audience=AUDIENCE, lifetime=300.0)


def key_set(minter: AssertionMinter) -> KeySet:
    return KeySet.import_key_set(cast("KeySetSerialization", minter.jwks()))


def test_claims(keys: KeyRing) -> None:
    minter, session = minter_for(keys), a_session(NOW)
    token = jwt.decode(minter.mint(session, NOW), key_set(minter), algorithms=["ES256"])
    assert token.claims == {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "id-jo",
        "username": "jo",
        "email": "jo@acme.example",
        "provider": "google",
        "sid": session.public_id,
        "auth_time": 1_700_000_000,
        "iat": 1_800_000_000,
        "exp": 1_800_000_300,
    }
    assert token.header == {"typ": "JWT", "alg": "ES256", "kid": keys.signing_key.id}


def test_no_email_claim_without_an_email(keys: KeyRing) -> None:
    minter, session = minter_for(keys), a_session(NOW, account=an_account(email=None))
    token = jwt.decode(minter.mint(session, NOW), key_set(minter), algorithms=["ES256"])
    assert "email" not in token.claims


def test_says_nothing_that_would_let_its_reader_sign_in(keys: KeyRing) -> None:
    minter, session = minter_for(keys), a_session(NOW)
    token = jwt.decode(minter.mint(session, NOW), key_set(minter), algorithms=["ES256"])
    assert session.key not in str(token.claims)


def test_jwks_has_public_keys_only_newest_first() -> None:
    signing = {name * 16: ec.generate_private_key(ec.SECP256R1()) for name in "abc"}
    published = minter_for(ring_of(signing)).jwks()["keys"]
    assert [key["kid"] for key in published] == ["c" * 16, "b" * 16, "a" * 16]
    for key in published:
        assert key.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}
        assert (key["use"], key["alg"], key["crv"]) == ("sig", "ES256", "P-256")


def test_an_older_key_still_verifies_and_the_newest_signs() -> None:
    old, new = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    before = minter_for(ring_of({"a" * 16: old}))
    after = minter_for(ring_of({"a" * 16: old, "b" * 16: new}))
    assertion = before.mint(a_session(NOW), NOW)
    assert jwt.decode(assertion, key_set(after), algorithms=["ES256"]).claims["sub"] == "id-jo"
    newest = jwt.decode(
        after.mint(a_session(NOW), NOW), ECKey.import_key(new), algorithms=["ES256"]
    )
    assert newest.header["kid"] == "b" * 16


def test_another_key_does_not_verify(keys: KeyRing) -> None:
    assertion = minter_for(keys).mint(a_session(NOW), NOW)
    other = ECKey.import_key(ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(BadSignatureError):
        jwt.decode(assertion, other, algorithms=["ES256"])


def test_a_key_is_published_before_it_signs_and_after() -> None:
    """One minter goes on while its keys change under it."""
    clock = Clock(NOW)
    old, new = new_key("es256", NOW - 7200), new_key("es256", NOW + 3600)
    lives: Lives = {"root": 86400.0, "es256": 300.0}
    ring = KeyRing([root_key("0" * 16, bytes(32)), old], lives=lives, clock=clock)
    minter = minter_for(ring)

    def signed_with() -> str:
        ring.settle()
        assertion = minter.mint(a_session(NOW), clock())
        return str(jwt.decode(assertion, key_set(minter), algorithms=["ES256"]).header["kid"])

    def published() -> list[object]:
        return [key["kid"] for key in minter.jwks()["keys"]]

    assert (signed_with(), published()) == (old.id, [old.id])
    ring.renew([*ring.keys, new])
    assert (signed_with(), published()) == (old.id, [new.id, old.id])
    clock.pass_by(3600)
    assert (signed_with(), published()) == (new.id, [new.id, old.id])
    clock.pass_by(300 + SLACK)
    assert (signed_with(), published()) == (new.id, [new.id])
