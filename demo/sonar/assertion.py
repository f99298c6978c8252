"""Is this assertion genuine, current and meant for us? Else nobody is signed in by it.

This is the whole of what Sonar was taught for single sign-on, and what docs/ shows in other
languages. The plain headers `X-Sonar-Username` and so on are not read at all: whoever reaches
Sonar past the gateway could write them. An assertion only the gateway's key can sign.
"""

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import aiohttp
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

HEADER = "X-Sonar-Assertion"

# Keys are asked for again after this many seconds, so that one taken back stops working.
_KEYS_AGE = 600.0
# At least so many seconds between two looks at the key set: without the pause, a flood of tokens
# with made-up key ids would be a flood of requests to the gateway.
_REFETCH_PAUSE = 1.0
# Clocks of two machines differ by a little; a token from further in the future is refused.
_CLOCK_SKEW = 30.0


@dataclass(frozen=True, slots=True)
class Asserted:
    """Whom the gateway asserts. `account_id` is Sonar's own."""

    account_id: int
    provider: str


@dataclass(frozen=True, slots=True)
class Untrusted:
    """The assertion was not believed; `why` is for the log."""

    why: str


@dataclass(frozen=True, slots=True)
class GatewayTrust:
    """The gateway we believe: its `iss`, the `aud` that means us, and where its keys are.
    `certificate`: the one it must show there, over https."""

    issuer: str
    audience: str
    jwks_url: str
    certificate: Path | None = None

    def tls(self) -> ssl.SSLContext | bool:
        """What a gateway on the same machine is asked with: it is asked by its number, which its
        certificate does not name, so that it is the certificate itself that is looked for."""
        if self.certificate is None:
            return True
        context = ssl.create_default_context(cafile=self.certificate)
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return context


class Assertions:
    """Verifies assertions of one gateway; fetches its keys and keeps them."""

    def __init__(self, trust: GatewayTrust, http: aiohttp.ClientSession) -> None:
        self._trust = trust
        self._tls = trust.tls()
        self._http = http
        self._keys: dict[str, ECKey] = {}
        self._fetched = self._tried = float("-inf")
        self._fetching = asyncio.Lock()

    async def verify(self, token: str) -> Asserted | Untrusted:
        try:
            header = jws.extract_compact(token.encode()).headers()
        except (JoseError, ValueError):
            return Untrusted("not a signed token")
        # Stated by the token itself, so only ES256 counts: `none` or an HMAC made with our public
        # key as its secret (the algorithm-confusion attack) must not be an option.
        kid = header.get("kid")
        if header.get("alg") != "ES256" or not isinstance(kid, str):
            return Untrusted("not ES256 with a key id")
        key = await self._key(kid)
        if key is None:
            return Untrusted("signed with an unknown key")
        try:
            claims = jwt.decode(token, key, algorithms=["ES256"]).claims
        except (JoseError, ValueError):
            return Untrusted("signature does not verify")
        return read_claims(claims, self._trust, time.time())

    async def _key(self, kid: str) -> ECKey | None:
        if self._due(kid):
            async with self._fetching:
                if self._due(kid):
                    await self._fetch()
        return None if self._stale() else self._keys.get(kid)

    def _stale(self) -> bool:
        return time.monotonic() - self._fetched > _KEYS_AGE

    def _due(self, kid: str) -> bool:
        rested = time.monotonic() - self._tried > _REFETCH_PAUSE
        return rested and (self._stale() or kid not in self._keys)

    async def _fetch(self) -> None:
        """Replace the keys; without an answer the old ones serve until they are stale."""
        try:
            async with self._http.get(
                self._trust.jwks_url, allow_redirects=False, ssl=self._tls
            ) as answer:
                answer.raise_for_status()
                listed = KeySet.import_key_set(await answer.json()).keys
        except (aiohttp.ClientError, TimeoutError, JoseError, ValueError, TypeError, KeyError):
            return
        finally:
            self._tried = time.monotonic()
        self._keys = {key.kid: key for key in listed if isinstance(key, ECKey) and key.kid}
        self._fetched = self._tried


def read_claims(
    claims: Mapping[str, object], trust: GatewayTrust, now: float
) -> Asserted | Untrusted:
    """Judge the claims of a token whose signature is good, at `now` (Unix seconds)."""
    if claims.get("iss") != trust.issuer:
        return Untrusted("another issuer")
    if claims.get("aud") not in (trust.audience, [trust.audience]):
        return Untrusted("meant for another application")
    if not _is_time(expires := claims.get("exp")) or now >= expires:
        return Untrusted("expired")
    if not _is_time(issued := claims.get("iat")) or issued > now + _CLOCK_SKEW:
        return Untrusted("issued in the future")
    subject, provider = claims.get("sub"), claims.get("provider")
    if not isinstance(subject, str) or not (subject.isascii() and subject.isdigit()):
        return Untrusted("not one of our account ids")
    if not isinstance(provider, str):
        return Untrusted("no provider")
    return Asserted(int(subject), provider)


def _is_time(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
