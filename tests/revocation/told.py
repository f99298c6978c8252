"""What a provider tells a gateway of its own accord: by its server, or in a frame of its page."""

import secrets
import time

import aiohttp

from gateway.identity.recall import LOGOUT_EVENT
from tests.attacks.liar import CLIENT, Realm
from tests.identity.crafting import craft, signature
from tests.revocation.three import Person, Three

REVOKED = "https://schemas.openid.net/secevent/risc/event-type/sessions-revoked"


def logout_token(realm: Realm, **meant: object) -> str:
    """`meant`: `sid`, `sub`, or both."""
    now = int(time.time())
    return _signed(realm, "logout+jwt", exp=now + 120, events={LOGOUT_EVENT: {}}, **meant)


def security_event(realm: Realm, person: Person) -> str:
    subject = {"subject_type": "iss-sub", "iss": realm.issuer, "sub": person.claims["sub"]}
    return _signed(realm, "secevent+jwt", events={REVOKED: {"subject": subject}})


def _signed(realm: Realm, typ: str, **claims: object) -> str:
    common = {"iss": realm.issuer, "aud": CLIENT, "iat": int(time.time())}
    honest = realm.keys["honest"]
    header = {"alg": honest.algorithm, "kid": "k1", "typ": typ}
    content = {**common, "jti": secrets.token_hex(8), **claims}
    return craft(header, signature(honest.key, honest.algorithm), content)


async def tell(three: Three, number: int, path: str, body: object = None) -> tuple[int, str]:
    """Say it to one of the gateways: a form or bytes by POST, nothing by GET."""
    url = f"http://127.0.0.1:{three.worlds[number - 1].port}/sso/logout/{path}"
    method = "GET" if body is None else "POST"
    host = {"Host": three.origin.partition("//")[2]}
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), headers=host) as http,
        http.request(method, url, data=body) as reply,
    ):
        return reply.status, await reply.text()
