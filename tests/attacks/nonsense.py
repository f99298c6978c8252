"""Discovery documents and key sets as an attacker would write them, or a provider that broke.

Each in a realm of its own, because a gateway keeps what it got.
"""

import gzip
from collections.abc import Iterator

from demo.people import GLOBEX_TENANT
from demo.providers.faults import ABSENT, TokenReply
from tests.attacks.liar import Realm, content, honest_keys, rsa
from tests.identity.crafting import published

_LARGE = b'{"keys":[],"x":"' + b"x" * 600_000 + b'"}'

# Whole replies that are no answer, whatever was asked.
NO_ANSWER: dict[str, TokenReply] = {
    "missing": TokenReply(404),
    "broken": TokenReply(500),
    "busy": TokenReply(429),
    "moved": TokenReply(302, headers={"Location": "brought"}),
    "moved-for-good": TokenReply(308, headers={"Location": "brought"}),
    "page": TokenReply(content_type="text/html", body=b"{}"),
    "half": TokenReply(body=b'{"issuer"'),
    "nothing": TokenReply(body=b""),
    "latin": TokenReply(body=b'{"issuer":"\xff"}'),
    "list": TokenReply(body=b"[]"),
    "text": TokenReply(body=b'"x"'),
    "deep": TokenReply(body=b"[" * 100_000),
    "large": TokenReply(body=_LARGE),
    "bomb": TokenReply(body=gzip.compress(_LARGE), headers={"Content-Encoding": "gzip"}),
    "no-bomb": TokenReply(body=b"{}", headers={"Content-Encoding": "gzip"}),
}

# Members of a discovery document that make the whole of it unusable.
DOCUMENTS: dict[str, dict[str, object]] = {
    "another-issuer": {"issuer": "https://evil.example"},
    "no-issuer": {"issuer": ABSENT},
    "null-issuer": {"issuer": None},
    "issuers": {"issuer": lambda realm: [realm.issuer]},
    "issuer-below": {"issuer": lambda realm: f"{realm.issuer}/x"},
    "issuer-above": {"issuer": lambda realm: realm.issuer.rpartition("/")[0]},
    "issuer-elsewhere": {"issuer": lambda realm: realm.issuer.replace("localhost", "127.0.0.1")},
    "google-itself": {"issuer": "https://accounts.google.com"},
    "http-page": {"authorization_endpoint": "http://evil.example/authorize"},
    "script-page": {"authorization_endpoint": "javascript:hostile()"},
    "http-token": {"token_endpoint": "http://evil.example/token"},
    "metadata-token": {"token_endpoint": "http://169.254.169.254/latest/meta-data"},
    "file-keys": {"jwks_uri": "file:///etc/passwd"},
    "http-keys": {"jwks_uri": "http://evil.example/keys"},
    "named-keys": {"jwks_uri": "https://sonar:hostile@evil.example/keys"},
    "two-hosts": {"jwks_uri": "https://evil.example\\@localhost/keys"},
    "number-keys": {"jwks_uri": "https://2130706433/keys"},
    "no-token": {"token_endpoint": ABSENT},
    "no-keys": {"jwks_uri": ABSENT},
    "no-page": {"authorization_endpoint": ABSENT},
    "only-jwt-clients": {"token_endpoint_auth_methods_supported": 5},
}

ENTRA_DOCUMENTS: dict[str, dict[str, object]] = {
    "entra-one-tenant": {"issuer": lambda realm: f"{realm.url}/{GLOBEX_TENANT}/v2.0"},
    "entra-elsewhere": {"issuer": "https://evil.example/{tenantid}/v2.0"},
    "entra-two-tenants": {"issuer": lambda realm: f"{realm.url}/{{tenantid}}/{{tenantid}}/v2.0"},
    "entra-version": {"issuer": lambda realm: f"{realm.url}/{{tenantid}}/v1.0"},
}

_RIGHT = published(rsa("honest"), kid="k1", alg="RS256")
_JUNK: list[object] = [
    None, 5, "key", [], {}, {"kty": "RSA"}, {"kty": "RSA", "n": "hostile!", "e": "AQAB"},
    {"kty": "oct", "kid": "k1", "k": "AAAA"}, {"kty": "AKP", "kid": "k1"},
    {**_RIGHT, "use": "enc"}, {**_RIGHT, "e": "AQ"}, {**_RIGHT, "e": "AA"}, {**_RIGHT, "n": "AQAB"},
    {**_RIGHT, "kid": {"x": 1}}, {**_RIGHT, "alg": "none"}, {**_RIGHT, "alg": "HS256"},
    {**_RIGHT, "key_ops": ["sign"]}, {**published(rsa("weak", 1024)), "kid": "k1"},
]  # fmt: skip

# Key sets with nothing to verify by.
NO_KEYS: dict[str, object] = {
    "set-without": {},
    "set-empty": {"keys": []},
    "set-null": {"keys": None},
    "set-mapping": {"keys": {"k1": _RIGHT}},
    "set-text": {"keys": "k1"},
    "set-of-lists": {"keys": [[_RIGHT]]},
    "set-encryption": {"keys": [{**_RIGHT, "use": "enc"}]},
    "set-shared": {"keys": [{"kty": "oct", "kid": "k1", "k": "AAAA", "alg": "HS256"}]},
}

# Key sets that have the right key, and more; and those where it cannot be told to be the right one.
RIGHT_KEY: dict[str, object] = {
    "set-with-junk": {"keys": [*_JUNK, _RIGHT]},
    "set-with-junk-after": {"keys": [_RIGHT, *_JUNK], "hostile": _JUNK},
    "set-twice": {"keys": [published(rsa("evil"), kid="k1"), _RIGHT]},
    "set-private": {"keys": [{**_RIGHT, "d": "AAAA", "p": "AAAA"}]},
}
WRONG_KEY: dict[str, object] = {
    "set-unnamed": {"keys": [{name: _RIGHT[name] for name in ("kty", "n", "e", "use")}]},
    "set-of-another": {"keys": [published(rsa("evil"), kid="k2")]},
    "set-for-another": {"keys": [{**_RIGHT, "alg": "RS512"}]},
    "set-only-junk": {"keys": [*_JUNK, published(rsa("evil"), kid="k2")]},
}


def nonsense() -> Iterator[Realm]:
    """A realm for each."""
    for name, reply in NO_ANSWER.items():
        yield _realm(f"document-{name}", replies={"discovery": reply})
        yield _realm(f"keys-{name}", replies={"keys": reply})
    for name, document in DOCUMENTS.items():
        yield _realm(name, document=document)
    for name, document in ENTRA_DOCUMENTS.items():
        yield Realm(name, "microsoft", honest_keys("microsoft"), document=document)
    for name, keys in (NO_KEYS | RIGHT_KEY | WRONG_KEY).items():
        yield _realm(name, replies={"keys": content(keys)})


def _realm(
    name: str,
    *,
    document: dict[str, object] | None = None,
    replies: dict[str, TokenReply] | None = None,
) -> Realm:
    return Realm(
        name, "google", honest_keys("google"), document=document or {}, replies=replies or {}
    )
