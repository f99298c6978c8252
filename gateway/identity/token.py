"""A token's signature: which key, which algorithm, is it right? Says nothing of its claims.

The token names algorithm and key itself, and whoever wrote it may have been an attacker. So the
algorithm is taken from our list only, and a key is used for nothing but what it was published for:
no `none`, no HMAC with a public key as its secret (RFC 8725 section 2.1), no encryption key.
"""

import json
import re
import warnings
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping
from dataclasses import dataclass

from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import JWKRegistry, Key, RSAKey
from joserfc.jws import JWSRegistry

from gateway.identity.model import Refused, UnverifiedClaims
from gateway.reasons import Reason

# What each algorithm is verified with. Anything else, however configured, is refused.
_KEY_TYPES = {
    **{f"{family}{bits}": "RSA" for family in ("RS", "PS") for bits in (256, 384, 512)},
    **{f"ES{bits}": "EC" for bits in (256, 384, 512)},
    "EdDSA": "OKP",
}

# Entra's tokens with many optional claims have some 3 KiB.
_LONGEST_TOKEN = 32 * 1024
_LONGEST_HEADER = 4 * 1024

# RFC 7518 section 3.3. The work of verifying grows with both numbers, and whoever publishes a key
# chooses them; every provider's are 2048 to 4096 bits and 65537. With an exponent of 1 everything
# is signed already.
_RSA_BITS = range(2048, 8193)
_RSA_EXPONENTS = range(3, 2**32, 2)

# Two keys under one id is a mistake that happens; twenty are there to make us work.
_MOST_UNDER_ONE_ID = 4

_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")


@dataclass(frozen=True, slots=True)
class TokenType:
    """What a token's header may call it (`typ`, in small letters and without `application/`), and
    whether it must: one made for another purpose is signed with the same keys (RFC 8725 section
    3.11)."""

    names: frozenset[str]
    demanded: bool

    def fits(self, header: Mapping[str, object]) -> bool:
        if "typ" not in header:
            return not self.demanded
        return str(header["typ"]).lower().removeprefix("application/") in self.names


ID_TOKEN = TokenType(frozenset(("jwt",)), demanded=False)
# Providers that send logout tokens name them so; the specification lets them do without.
LOGOUT_TOKEN = TokenType(frozenset(("logout+jwt",)), demanded=True)
# Google does not say how it names its security events.
SECURITY_EVENT = TokenType(frozenset(("secevent+jwt", "jwt")), demanded=False)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key of a provider. `issuer` is Entra's extra member: whose tokens it may sign."""

    key: Key
    kid: str | None
    algorithm: str | None
    issuer: str | None


def read_keys(content: Mapping[str, object]) -> tuple[SigningKey, ...]:
    """The usable signing keys of a JWK set (RFC 7517 section 5); others are passed over, as that
    section says, so that one strange key does not take the rest away."""
    listed = content.get("keys")
    found = (
        [_read_key(jwk) for jwk in listed if isinstance(jwk, dict)]
        if isinstance(listed, list)
        else []
    )
    return tuple(key for key in found if key is not None)


def _read_key(jwk: Mapping[str, object]) -> SigningKey | None:
    kid, algorithm, issuer = jwk.get("kid"), jwk.get("alg"), jwk.get("issuer")
    for member in (kid, algorithm, issuer):
        if member is not None and not isinstance(member, str):
            return None
    if jwk.get("use", "sig") != "sig" or jwk.get("kty") not in ("RSA", "EC", "OKP"):
        return None
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    public = {name: jwk[name] for name in ("kty", "n", "e", "crv", "x", "y") if name in jwk}
    try:
        with warnings.catch_warnings():
            # joserfc warns of weak keys; here they are refused instead.
            warnings.simplefilter("ignore")
            key = JWKRegistry.import_key(public)  # type: ignore[arg-type]
        strong = not isinstance(key, RSAKey) or _is_strong(key)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return SigningKey(key, kid, algorithm, issuer) if strong else None  # type: ignore[arg-type]


def _is_strong(key: RSAKey) -> bool:
    public = key.public_key
    return public.key_size in _RSA_BITS and public.public_numbers().e in _RSA_EXPONENTS


def open_token(
    token: str,
    keys: tuple[SigningKey, ...],
    algorithms: tuple[str, ...],
    wanted: TokenType = ID_TOKEN,
) -> UnverifiedClaims | Refused:
    """The claims of a token that one of `keys` signed with one of `algorithms`.

    `TOKEN_KEY_UNKNOWN` and `TOKEN_SIGNATURE` mean that newer keys may know better.
    """
    header = _header(token, wanted)
    if isinstance(header, Refused):
        return header
    algorithm = header["alg"]
    if not isinstance(algorithm, str) or algorithm not in algorithms or algorithm not in _KEY_TYPES:
        return Refused(Reason.TOKEN_ALGORITHM, "the algorithm is not one we accept")
    candidates = _candidates(header.get("kid"), algorithm, keys)
    if not candidates:
        return Refused(Reason.TOKEN_KEY_UNKNOWN, "the provider has no such key for the algorithm")
    outcome: UnverifiedClaims | Refused = Refused(Reason.TOKEN_SIGNATURE, "the signature is wrong")
    for candidate in candidates:
        outcome = _verify(token, candidate, algorithm)
        if isinstance(outcome, UnverifiedClaims):
            break
    return outcome


def _header(token: str, wanted: TokenType) -> Mapping[str, object] | Refused:
    malformed = Refused(Reason.TOKEN_MALFORMED, "not a signed JWT")
    found = _COMPACT.fullmatch(token) if len(token) <= _LONGEST_TOKEN else None
    if found is None or len(found[1]) > _LONGEST_HEADER:
        return malformed
    try:
        header, _payload = _object(found[1]), _object(found[2])
    except (NotBase64, ValueError, RecursionError):
        return malformed
    if not isinstance(header, dict) or "alg" not in header:
        return malformed
    if "crit" in header or "b64" in header:
        # An extension we do not know changes what the signature covers (RFC 7515 section 4.1.11).
        return Refused(Reason.TOKEN_MALFORMED, "the header demands an extension")
    if not wanted.fits(header):
        return Refused(Reason.TOKEN_MALFORMED, "a JWT of another type")
    return header


def _object(segment: str) -> object:
    """The JSON in a segment; ValueError when a name stands in an object twice: whoever else reads
    the token may take the other one (RFC 7515 section 4, RFC 7519 section 4)."""
    content = b64decode(segment + "=" * (-len(segment) % 4), b"-_", validate=True)
    return json.loads(content, object_pairs_hook=_each_once)


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    named = dict(pairs)
    if len(named) != len(pairs):
        raise ValueError("a name twice")
    return named


def _candidates(
    kid: object, algorithm: str, keys: tuple[SigningKey, ...]
) -> tuple[SigningKey, ...]:
    """The keys the token may mean. Without `kid`, the only fitting one (Core section 10.1)."""
    fitting = tuple(
        key
        for key in keys
        if key.key.key_type == _KEY_TYPES[algorithm] and key.algorithm in {None, algorithm}
    )
    if kid is None:
        return fitting if len(fitting) == 1 else ()
    return tuple(key for key in fitting if key.kid == kid)[:_MOST_UNDER_ONE_ID]


def _verify(token: str, signing: SigningKey, algorithm: str) -> UnverifiedClaims | Refused:
    registry = JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    registry.max_header_length = _LONGEST_HEADER
    try:
        with warnings.catch_warnings():
            # joserfc warns of the name EdDSA, which RFC 9864 replaced and providers still send.
            warnings.simplefilter("ignore")
            decoded = jwt.decode(token, signing.key, algorithms=[algorithm], registry=registry)
    except BadSignatureError:
        return Refused(Reason.TOKEN_SIGNATURE, "the signature is wrong")
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        return Refused(Reason.TOKEN_MALFORMED, f"not a signed JWT: {type(error).__name__}")
    return UnverifiedClaims(decoded.claims, signing.issuer)
