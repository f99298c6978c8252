"""A provider that signs anything it is told: one HTTP server, real keys, many realms.

Each realm is a provider of its own to the gateway, whose caches of documents and keys are apart, so
that a lie in one never shows in another. Nobody is asked who they are: a browser that comes to
`authorize` is sent back at once. What is not lied about is honest: jo@acme.example at Google's and
any other provider, mara@acme.example at Microsoft's, or whoever `login_hint` names.

    lie      what is different in the next token and authorization response
    replies  whole answers of an endpoint: `discovery`, `keys`, `token`
    keys     what it can sign with, by the name a lie calls it; those with a `jwk` are published
"""

import asyncio
import json
import secrets
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import urlencode

from aiohttp import web
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from demo.people import ACME_TENANT
from demo.providers.faults import ABSENT, TokenReply, overridden
from gateway.identity.model import Kind
from tests.identity.crafting import craft, published, signature

OBJECT = "20000000-0000-4000-8000-000000000001"
SUBJECT = "100000000000000000001"
CLIENT = "sonar"
SECRET = "the client secret of Sonar at the liar"

Token = Callable[["Realm", dict[str, object], dict[str, object]], str]


@dataclass(frozen=True, slots=True)
class Signing:
    """A key, how it signs, and how it is published; without `jwk` it is not."""

    key: Key
    algorithm: str = "RS256"
    jwk: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Lie:
    """How one sign-in differs from an honest one; the default differs in nothing.

    `claims`, `header`, `answer` (the authorization response): members to replace, `ABSENT` to leave
    out; a function of the realm gives the value; a list in `answer` is sent one by one. `key`
    signs. `token` writes the whole token, `reply` is the token endpoint's.
    """

    claims: Mapping[str, object] = field(default_factory=dict)
    header: Mapping[str, object] = field(default_factory=dict)
    answer: Mapping[str, object] = field(default_factory=dict)
    key: str = "honest"
    token: Token | None = None
    reply: TokenReply | None = None


@dataclass(slots=True)
class Realm:
    """One provider. `asked` counts requests by endpoint, `secrets` are the codes and tokens it
    gave out, which nobody may log."""

    name: str
    kind: Kind
    keys: dict[str, Signing]
    tenant: str = "organizations"
    document: dict[str, object] = field(default_factory=dict)
    replies: dict[str, TokenReply] = field(default_factory=dict)
    algorithms: tuple[str, ...] = ("RS256",)
    lie: Lie = field(default_factory=Lie)
    url: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    secrets: list[str] = field(default_factory=list)
    _grants: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def base(self) -> str:
        return f"{self.url}/{self.tenant}/v2.0" if self.kind == "microsoft" else self.url

    @property
    def issuer(self) -> str:
        """As the discovery document has it."""
        several = self.kind == "microsoft" and self.tenant in {"common", "organizations"}
        return f"{self.url}/{{tenantid}}/v2.0" if several else self.base

    def settings(self) -> dict[str, object]:
        """Its part of the gateway's config.yaml."""
        return {
            "kind": self.kind,
            "client_id": CLIENT,
            "client_secret": SECRET,
            "discovery_url": f"{self.base}/.well-known/openid-configuration",
            "algorithms": list(self.algorithms),
        }

    def told(self, changes: Mapping[str, object]) -> dict[str, object]:
        return {name: one(self) if callable(one) else one for name, one in changes.items()}

    def remember(self, nonce: str, email: str) -> str:
        """A new code."""
        code = secrets.token_urlsafe(24)
        self._grants[code] = nonce, email
        self.secrets.append(code)
        return code

    def token(self, code: str) -> str:
        """The token for a code, with whatever is told."""
        lie, signing = self.lie, self.keys[self.lie.key]
        nonce, email = self._grants.pop(code, ("", ""))
        hinted = {"email": email, "sub": email.partition("@")[0]} if email else {}
        claims = overridden(self.claims(nonce) | hinted, self.told(lie.claims))
        honest: dict[str, object] = {"alg": signing.algorithm, "typ": "JWT"}
        if signing.jwk is not None:
            honest["kid"] = signing.jwk.get("kid", ABSENT)
        header = overridden(honest, self.told(lie.header))
        if lie.token is not None:
            token = lie.token(self, header, claims)
        else:
            token = craft(header, signature(signing.key, signing.algorithm), claims)
        self.secrets.append(token)
        return token

    def claims(self, nonce: str) -> dict[str, object]:
        """Who is honest says this."""
        now = int(time.time())
        claims: dict[str, object] = {"aud": CLIENT, "iat": now, "exp": now + 3600, "nonce": nonce}
        if self.kind == "microsoft":
            tenant = ACME_TENANT if self.tenant in {"common", "organizations"} else self.tenant
            return claims | {
                "iss": f"{self.url}/{tenant}/v2.0",
                "tid": tenant,
                "oid": OBJECT,
                "sub": "pairwise",
                "email": "mara@acme.example",
                "name": "Mara Jensen",
            }
        return claims | {
            "iss": self.issuer,
            "azp": CLIENT,
            "sub": SUBJECT,
            "email": "jo@acme.example",
            "email_verified": True,
            "name": "Jo March",
            **({"hd": "acme.example"} if self.kind == "google" else {}),
        }


@cache
def rsa(name: str, bits: int = 2048) -> RSAKey:
    """One key a name and test process; to make one takes a tenth of a second."""
    with warnings.catch_warnings():
        # It warns of the weak one.
        warnings.simplefilter("ignore")
        return RSAKey.generate_key(bits)


def honest_keys(kind: Kind) -> dict[str, Signing]:
    """What an honest realm has: one key, published; and one of an attacker, which is not."""
    issuer = {"issuer": "{tenantid}"} if kind == "microsoft" else {}
    jwk = published(rsa("honest"), kid="k1", alg="RS256", **issuer)
    return {"honest": Signing(rsa("honest"), jwk=jwk), "evil": Signing(rsa("evil"))}


def only_key(key: RSAKey, kid: str | None) -> Signing:
    """Published under this name, or under none."""
    jwk = {**published(key, alg="RS256"), "kid": kid}
    return Signing(key, jwk={name: value for name, value in jwk.items() if value is not None})


def more_keys() -> dict[str, Signing]:
    """Keys that a set may hold and that must not open anything where RS256 is configured."""
    elliptic = ECKey.generate_key("P-256")
    edwards = OKPKey.generate_key("Ed25519")
    return {
        "elliptic": Signing(elliptic, "ES256", published(elliptic, kid="ec")),
        "edwards": Signing(edwards, "EdDSA", published(edwards, kid="ed")),
        "weak": Signing(rsa("weak", 1024), jwk=published(rsa("weak", 1024), kid="weak")),
        "encryption": Signing(rsa("evil"), jwk=published(rsa("evil"), kid="enc", use="enc")),
        "wrapping": Signing(
            rsa("evil"), jwk=published(rsa("evil"), kid="wrap", use="sig", key_ops=["wrapKey"])
        ),
        "other algorithm": Signing(rsa("evil"), jwk=published(rsa("evil"), kid="512", alg="RS512")),
        "unnamed": Signing(rsa("evil"), jwk={**published(rsa("evil")), "kid": None}),
    }


class Liar:
    """The server. `url` is known once it listens, before anybody asks."""

    def __init__(self, *realms: Realm) -> None:
        self.realms = {realm.name: realm for realm in realms}

    def __getitem__(self, name: str) -> Realm:
        return self.realms[name]

    def at(self, url: str) -> web.Application:
        for realm in self.realms.values():
            realm.url = f"{url}/{realm.name}"
        app = web.Application()
        app.router.add_route("*", "/{realm}/{path:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        realm = self.realms[request.match_info["realm"]]
        endpoint = request.path.rpartition("/")[2].replace("openid-configuration", "discovery")
        realm.asked[endpoint] += 1
        if (reply := realm.replies.get(endpoint)) is not None:
            return await said(reply)
        match endpoint:
            case "discovery":
                return web.json_response(overridden(_document(realm), realm.told(realm.document)))
            case "keys":
                return web.json_response({"keys": [_jwk(realm, one) for one in _published(realm)]})
            case "authorize":
                return _sent_back(realm, request)
            case "token":
                form = await request.post()
                if realm.lie.reply is not None:
                    return await said(realm.lie.reply)
                return web.json_response({"id_token": realm.token(str(form.get("code")))})
            case _:
                # Whatever a lie names, to see whether anybody comes.
                return web.json_response({"keys": [published(rsa("evil"), kid="evil")]})


def _document(realm: Realm) -> dict[str, object]:
    return {
        "issuer": realm.issuer,
        "authorization_endpoint": f"{realm.url}/authorize",
        "token_endpoint": f"{realm.url}/token",
        "jwks_uri": f"{realm.url}/keys",
        "authorization_response_iss_parameter_supported": realm.kind != "microsoft",
    }


def _published(realm: Realm) -> list[Mapping[str, object]]:
    return [signing.jwk for signing in realm.keys.values() if signing.jwk is not None]


def _jwk(realm: Realm, jwk: Mapping[str, object]) -> dict[str, object]:
    """`issuer`, Entra's member, is written without the address, which is known late."""
    issuer = jwk.get("issuer")
    whole = {"issuer": f"{realm.url}/{issuer}/v2.0"} if isinstance(issuer, str) else {}
    return {name: value for name, value in {**jwk, **whole}.items() if value is not None}


def _sent_back(realm: Realm, request: web.Request) -> web.Response:
    asked = request.query
    answer: dict[str, object] = {
        "code": realm.remember(asked.get("nonce", ""), asked.get("login_hint", "")),
        "state": asked["state"],
        **({"iss": realm.issuer} if realm.kind != "microsoft" else {}),
    }
    query = urlencode(overridden(answer, realm.told(realm.lie.answer)), doseq=True)
    return web.Response(status=303, headers={"Location": f"{asked['redirect_uri']}?{query}"})


async def said(reply: TokenReply) -> web.Response:
    await asyncio.sleep(reply.hang)
    headers = {"Content-Type": reply.content_type, **reply.headers}
    return web.Response(status=reply.status, body=reply.body, headers=headers)


def content(value: object, status: int = 200) -> TokenReply:
    return TokenReply(status, body=json.dumps(value).encode())
