"""A provider that tells of logouts: right ones, and whatever else somebody could send."""

import secrets
import time
from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.jwk import Key

from demo.people import PEOPLE
from demo.providers.faults import Fault, overridden
from demo.providers.standin import Provider
from gateway.identity.recall import LOGOUT_EVENT
from tests.journeys.browser import Browser
from tests.portal.world import World

RISC = "https://schemas.openid.net/secevent/risc/event-type/"
REVOKED = f"{RISC}sessions-revoked"
SID = "2f1e0d9c8b7a69584736251403f2e1d0"


def subject(person_id: str) -> str:
    """What Google calls somebody."""
    return next(person.subject for person in PEOPLE if person.id == person_id)  # type: ignore[union-attr]


def signed(
    provider: Provider,
    claims: Mapping[str, object],
    header: Mapping[str, object],
    key: Key | None = None,
) -> str:
    """Whatever it is, under the provider's signature; or under another's, with `key`."""
    signing = provider.keys[0]
    head = overridden({"alg": "RS256", "kid": signing.kid}, header)
    return jwt.encode(head, dict(claims), key or signing.key, ["RS256"])


def logout_token(
    provider: Provider,
    *,
    header: Mapping[str, object] | None = None,
    key: Key | None = None,
    **claims: object,
) -> str:
    """A logout token; who is meant (`sub`, `sid`) is in `claims`, as is what differs."""
    now = int(time.time())
    right: dict[str, object] = {
        "iss": provider.base,
        "aud": provider.client.client_id,
        "iat": now,
        "exp": now + 120,
        "jti": secrets.token_hex(8),
        "events": {LOGOUT_EVENT: {}},
    }
    claims = overridden(right, claims)
    return signed(provider, claims, {"typ": "logout+jwt", **(header or {})}, key)


def security_event(
    provider: Provider,
    person_id: str,
    event: str = REVOKED,
    *,
    header: Mapping[str, object] | None = None,
    key: Key | None = None,
    **claims: object,
) -> str:
    """A security event token about somebody."""
    about = {"subject_type": "iss-sub", "iss": f"{provider.base}/", "sub": subject(person_id)}
    right: dict[str, object] = {
        "iss": f"{provider.base}/",
        "aud": provider.client.client_id,
        "iat": int(time.time()),
        "jti": secrets.token_hex(8),
        "events": {event: {"subject": about}},
    }
    return signed(provider, overridden(right, claims), header or {}, key)


async def tell(
    browser: Browser, token: str, provider: str = "google", **more: Any
) -> tuple[int, str]:
    """Send a logout token to the gateway, as the provider's server does."""
    status, headers, text = await browser.request(
        "POST", f"/sso/logout/backchannel/{provider}", data={"logout_token": token}, **more
    )
    assert headers["Cache-Control"] == "no-store"
    return status, text


async def tell_event(browser: Browser, token: str, provider: str = "google") -> tuple[int, str]:
    status, headers, text = await browser.request(
        "POST",
        f"/sso/logout/risc/{provider}",
        data=token,
        headers={"Content-Type": "application/secevent+jwt"},
    )
    assert headers["Cache-Control"] == "no-store"
    return status, text


async def sids(world: World) -> dict[str, str]:
    """What the provider calls its sessions, by Sonar account."""
    return {
        account: session.identity.sid
        for account, session in (await world.live()).items()
        if session.identity.sid is not None
    }


async def arrive_with_sid(world: World, browser: Browser, person: str = "jo") -> None:
    world.standin.google.fault = Fault(claims={"sid": SID})
    await world.arrive(browser, "google", person)
    world.standin.google.fault = Fault()
