"""Tokens by hand: no library stands between an attacker and the bytes."""

import base64
import json
from collections.abc import Callable

from joserfc import jws
from joserfc.jwk import Key

Sign = Callable[[bytes], bytes]


def b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def craft(header: object, sign: Sign, payload: object) -> str:
    """A signed token. `payload` as it is if it is bytes, else as JSON."""
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    signed = f"{b64(json.dumps(header).encode())}.{b64(content)}"
    return f"{signed}.{b64(sign(signed.encode()))}"


def signature(key: Key, algorithm: str) -> Sign:
    """A right signature by `key` over any bytes, whatever they claim to be signed with."""
    return lambda content: jws.JWSRegistry.algorithms[algorithm].sign(content, key)


def published(key: Key, **members: object) -> dict[str, object]:
    """The public half of a key, as key sets have it."""
    return {**key.as_dict(private=False), "kid": "one", "use": "sig", **members}
