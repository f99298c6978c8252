"""A provider that signs anything it is told: tokens that say nothing but the truth, but whose
signature is none, another's, or made in a way that was not agreed."""

import asyncio
import hmac
import json
from collections.abc import Callable
from functools import partial

import pytest
from joserfc import jwe
from joserfc.jwk import RSAKey

from demo.providers.faults import ABSENT
from gateway.reasons import Reason
from tests.attacks.liar import SECRET, Lie, Realm, Signing, only_key, rsa
from tests.attacks.lied_to import LiedTo
from tests.identity.crafting import b64, craft, published, signature

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("lies")]

R = Reason


def unsigned(realm: Realm, header: dict[str, object], claims: dict[str, object]) -> str:
    return f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}."


def with_secret(secret: bytes) -> Callable[[Realm, dict[str, object], dict[str, object]], str]:
    """HMAC by what an attacker may know: the client secret, or the public key (RFC 8725 2.1)."""
    return lambda realm, header, claims: craft(
        header, partial(hmac.digest, secret, digest="sha256"), claims
    )


def cut(realm: Realm, header: dict[str, object], claims: dict[str, object]) -> str:
    return craft(header, lambda signed: signature(rsa("honest"), "RS256")(signed)[:-1], claims)


def of_another_token(realm: Realm, header: dict[str, object], claims: dict[str, object]) -> str:
    """A right signature, of the same provider, under other claims."""
    other = craft(header, signature(rsa("honest"), "RS256"), claims | {"sub": "eve"})
    mine = craft(header, signature(rsa("honest"), "RS256"), claims)
    return mine.rpartition(".")[0] + "." + other.rpartition(".")[2]


def encrypted(realm: Realm, header: dict[str, object], claims: dict[str, object]) -> str:
    """A JWE for the key that the provider publishes, with the signed token in it."""
    signed = craft(header, signature(rsa("honest"), "RS256"), claims)
    public = RSAKey.import_key(rsa("honest").as_dict(private=False))
    protected = {"alg": "RSA-OAEP", "enc": "A128GCM", "cty": "JWT"}
    return jwe.encrypt_compact(protected, signed, public)


def nested(realm: Realm, header: dict[str, object], claims: dict[str, object]) -> str:
    signed = craft(header, signature(rsa("honest"), "RS256"), claims)
    return craft({**header, "cty": "JWT"}, signature(rsa("honest"), "RS256"), signed.encode())


def twice(realm: Realm, header: dict[str, object], claims: dict[str, object]) -> str:
    payload = json.dumps(claims).replace("{", '{"sub":"eve",', 1)
    return craft(header, signature(rsa("honest"), "RS256"), payload.encode())


def around(before: str, after: str) -> Callable[..., str]:
    return lambda realm, header, claims: (
        before + craft(header, signature(rsa("honest"), "RS256"), claims) + after
    )


PUBLIC = rsa("honest")
SIGNATURES: list[tuple[Lie, Reason]] = [
    # none at all
    (Lie(header={"alg": "none"}, token=unsigned), R.TOKEN_MALFORMED),
    (Lie(header={"alg": "none"}), R.TOKEN_ALGORITHM),
    (Lie(header={"alg": "None"}), R.TOKEN_ALGORITHM),
    (Lie(header={"alg": "nOnE"}), R.TOKEN_ALGORITHM),
    (Lie(token=unsigned), R.TOKEN_MALFORMED),
    (Lie(header={"alg": ABSENT}), R.TOKEN_MALFORMED),
    (Lie(header={"alg": ["RS256", "none"]}), R.TOKEN_ALGORITHM),
    # one that others can make
    (Lie(header={"alg": "HS256"}, token=with_secret(SECRET.encode())), R.TOKEN_ALGORITHM),
    (Lie(header={"alg": "HS256"}, token=with_secret(b"")), R.TOKEN_ALGORITHM),
    (Lie(header={"alg": "HS256"}, token=with_secret(PUBLIC.as_pem(False))), R.TOKEN_ALGORITHM),
    (Lie(header={"alg": "HS256"}, token=with_secret(PUBLIC.as_der(False))), R.TOKEN_ALGORITHM),
    (
        Lie(
            header={"alg": "HS256"},
            token=with_secret(json.dumps(PUBLIC.as_dict(private=False)).encode()),
        ),
        R.TOKEN_ALGORITHM,
    ),
    (Lie(token=with_secret(PUBLIC.as_pem(False))), R.TOKEN_SIGNATURE),
    # by the right key, in a way that was not agreed
    (Lie(header={"alg": "RS512"}), R.TOKEN_ALGORITHM),
    (Lie(header={"alg": "PS256"}), R.TOKEN_ALGORITHM),
    (Lie(key="elliptic"), R.TOKEN_ALGORITHM),
    (Lie(key="edwards"), R.TOKEN_ALGORITHM),
    (Lie(key="elliptic", header={"alg": "RS256"}), R.TOKEN_KEY_UNKNOWN),
    # by a key that is in the set for something else, or too weak for anything
    (Lie(key="weak"), R.TOKEN_KEY_UNKNOWN),
    (Lie(key="encryption"), R.TOKEN_KEY_UNKNOWN),
    (Lie(key="wrapping"), R.TOKEN_KEY_UNKNOWN),
    (Lie(key="other algorithm"), R.TOKEN_KEY_UNKNOWN),
    (Lie(key="unnamed", header={"kid": "k1"}), R.TOKEN_SIGNATURE),
    (Lie(key="unnamed", header={"kid": ABSENT}), R.TOKEN_KEY_UNKNOWN),
    (Lie(key="unnamed", header={"kid": None}), R.TOKEN_KEY_UNKNOWN),
    # by a key that the token itself brings
    (Lie(key="evil", header={"kid": "k1"}), R.TOKEN_SIGNATURE),
    (Lie(key="evil", header={"kid": "evil"}), R.TOKEN_KEY_UNKNOWN),
    (
        Lie(key="evil", header={"kid": "k1", "jwk": rsa("evil").as_dict(private=False)}),
        R.TOKEN_SIGNATURE,
    ),
    (
        Lie(key="evil", header={"kid": "evil", "jwk": published(rsa("evil"), kid="evil")}),
        R.TOKEN_KEY_UNKNOWN,
    ),
    (
        Lie(key="evil", header={"kid": "evil", "jku": lambda realm: f"{realm.url}/brought"}),
        R.TOKEN_KEY_UNKNOWN,
    ),
    (
        Lie(key="evil", header={"kid": "k1", "jku": lambda realm: f"{realm.url}/brought"}),
        R.TOKEN_SIGNATURE,
    ),
    (
        Lie(key="evil", header={"kid": "k1", "x5u": lambda realm: f"{realm.url}/brought"}),
        R.TOKEN_SIGNATURE,
    ),
    (Lie(key="evil", header={"kid": "k1", "x5c": ["MIIB"]}), R.TOKEN_SIGNATURE),
    (Lie(header={"kid": "k2"}), R.TOKEN_KEY_UNKNOWN),
    (Lie(header={"kid": "../../../dev/null"}), R.TOKEN_KEY_UNKNOWN),
    (Lie(header={"kid": "x' OR 'k1'='k1"}), R.TOKEN_KEY_UNKNOWN),
    (Lie(header={"kid": ["k1"]}), R.TOKEN_KEY_UNKNOWN),
    # with an extension, or for another purpose
    (Lie(header={"crit": ["exp"]}), R.TOKEN_MALFORMED),
    (Lie(header={"b64": False, "crit": ["b64"]}), R.TOKEN_MALFORMED),
    (Lie(header={"typ": "logout+jwt"}), R.TOKEN_MALFORMED),
    (Lie(header={"typ": "at+jwt"}), R.TOKEN_MALFORMED),
    (Lie(header={"typ": "secevent+jwt"}), R.TOKEN_MALFORMED),
    (Lie(token=encrypted), R.TOKEN_MALFORMED),
    (Lie(token=nested), R.TOKEN_MALFORMED),
    # not whole, or with two readings
    (Lie(token=cut), R.TOKEN_SIGNATURE),
    (Lie(token=of_another_token), R.TOKEN_SIGNATURE),
    (Lie(token=twice), R.TOKEN_MALFORMED),
    (Lie(token=around("", ".e30")), R.TOKEN_MALFORMED),
    (Lie(token=around(" ", "")), R.TOKEN_MALFORMED),
    (Lie(token=around("", "\n")), R.TOKEN_MALFORMED),
    (Lie(token=around("", "=")), R.TOKEN_MALFORMED),
    (Lie(token=around("Bearer ", "")), R.TOKEN_MALFORMED),
    (Lie(token=around("x" * 40000, "")), R.TOKEN_MALFORMED),
    (Lie(token=lambda *_: ""), R.TOKEN_MALFORMED),
    (Lie(token=lambda *_: "e30.e30.e30"), R.TOKEN_MALFORMED),
]


@pytest.mark.parametrize(("lie", "reason"), SIGNATURES)
async def test_a_lie_about_the_signature(lied: LiedTo, lie: Lie, reason: Reason) -> None:
    google = lied.liar["google"]
    await lied.is_refused(google, lie, reason)
    # Nobody fetches a key from where a token says.
    assert google.asked["brought"] == 0


async def test_unknown_keys_are_asked_for_once_in_five_minutes(lied: LiedTo) -> None:
    """However many tokens name one: at the start, and once for all of them."""
    google = lied.liar["google"]
    for number in range(5):
        await lied.is_refused(google, Lie(header={"kid": f"x{number}"}), R.TOKEN_KEY_UNKNOWN)
    assert google.asked["keys"] <= 2


@pytest.mark.parametrize("key", ["elliptic", "edwards"])
async def test_the_algorithms_are_those_of_the_configuration(lied: LiedTo, key: str) -> None:
    """Where it names two others, those are right and RS256 is not."""
    lax = lied.liar["lax"]
    await lied.is_let_in(lax, Lie(key=key), "jmarch")
    await lied.is_refused(lax, Lie(), R.TOKEN_ALGORITHM)


async def test_keys_rolled_between_the_way_there_and_back_fail_nobody(lied: LiedTo) -> None:
    """The old key is withdrawn at once, while somebody is at the provider; a second roll within
    five minutes is believed only after them."""
    rolling, first = lied.liar["rolling"], lied.liar["rolling"].keys["honest"]
    await lied.is_let_in(rolling, Lie(), "jmarch")
    second = Signing(rsa("second"), jwk=published(rsa("second"), kid="k2", alg="RS256"))
    rolling.keys["honest"] = second
    await asyncio.gather(*(lied.is_let_in(rolling, Lie(), "jmarch") for _ in range(5)))
    assert rolling.asked["keys"] == 2
    rolling.keys |= {"honest": first, "second": second}
    await lied.is_refused(rolling, Lie(key="honest"), R.TOKEN_KEY_UNKNOWN)
    await lied.is_let_in(rolling, Lie(key="second"), "jmarch")
    assert rolling.asked["keys"] == 2


@pytest.mark.parametrize(("name", "kid"), [("same-name", "k1"), ("nameless", None)])
async def test_a_key_rolled_under_the_same_name_or_none_fails_nobody(
    lied: LiedTo, name: str, kid: str | None
) -> None:
    """The only key of a set needs no name (OpenID Connect Core section 10.1). Who still has the old
    one is refused, and nobody asks again for them."""
    realm = lied.liar[name]
    await lied.is_let_in(realm, Lie(), "jmarch")
    realm.keys |= {"old": Signing(rsa("honest")), "honest": only_key(rsa("second"), kid)}
    await asyncio.gather(*(lied.is_let_in(realm, Lie(), "jmarch") for _ in range(5)))
    for _ in range(3):
        header = {"kid": ABSENT if kid is None else kid}
        await lied.is_refused(realm, Lie(key="old", header=header), R.TOKEN_SIGNATURE)
    assert realm.asked["keys"] == 2
