"""What a provider publishes, and what is proved by it: its own description and its keys, each
fetched when somebody needs it and kept (cached.py); a token signed with one of them (token.py).
"""

from collections.abc import Callable

import aiohttp

from gateway.config import Provider
from gateway.errors import ProviderUnavailable
from gateway.identity.cached import Cached
from gateway.identity.discovery import Document, read_document
from gateway.identity.fetch import get_json
from gateway.identity.model import Refused, UnverifiedClaims
from gateway.identity.token import ID_TOKEN, SigningKey, TokenType, open_token, read_keys
from gateway.operate.outage import Part
from gateway.reasons import Reason

# The only key of a set may have no id (OpenID Connect Core section 10.1), and a provider that was
# set up anew may call its new key by the old one's: then the key is known and the signature wrong.
_PERHAPS_ROLLED = frozenset((Reason.TOKEN_KEY_UNKNOWN, Reason.TOKEN_SIGNATURE))


class Published:
    """Of the provider `name`, apart from every other's. `clock` is monotonic seconds. What asks
    raises `ProviderUnavailable`, and tells `part` whether the provider answers."""

    def __init__(
        self,
        name: str,
        settings: Provider,
        http: aiohttp.ClientSession,
        clock: Callable[[], float],
        part: Part,
    ) -> None:
        self._settings = settings
        self._http = http
        self._document = Cached(f"{name} discovery", lambda: part.asked(self._load()), clock)
        self._keys = Cached(f"{name} keys", lambda: part.asked(self._load_keys()), clock)

    async def document(self) -> Document:
        """The discovery document."""
        return await self._document.get()

    def held(self) -> Document | None:
        """The discovery document as it was last fetched, however old."""
        return self._document.held()

    async def keys(self) -> tuple[SigningKey, ...]:
        """Those it signs with, at least one."""
        return await self._keys.get()

    async def opened(self, token: str, wanted: TokenType = ID_TOKEN) -> UnverifiedClaims | Refused:
        """What a token says whose signature is right. Where newer keys may know better they are
        asked for, as providers roll theirs. An ID token comes from the provider, anything else from
        whoever knows our address."""
        algorithms, stranger = self._settings.algorithms, wanted is not ID_TOKEN
        keys = await self._keys.get(stranger=stranger)
        found = open_token(token, keys, algorithms, wanted)
        if isinstance(found, Refused) and found.reason in _PERHAPS_ROLLED:
            keys = await self._keys.renewed(stranger=stranger)
            found = open_token(token, keys, algorithms, wanted)
        return found

    async def _load(self) -> Document:
        url = self._settings.discovery_url
        reply = await get_json(self._http, url)
        if reply.status != 200:
            raise ProviderUnavailable(f"{url}: status {reply.status}")
        return read_document(self._settings.kind, url, reply.content)

    async def _load_keys(self) -> tuple[SigningKey, ...]:
        url = (await self._document.get()).jwks_uri
        reply = await get_json(self._http, url)
        keys = read_keys(reply.content) if reply.status == 200 else ()
        if not keys:
            raise ProviderUnavailable(f"{url}: status {reply.status}, no usable signing key")
        return keys
