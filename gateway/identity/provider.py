"""One provider, from the way there to a verified identity, in the order in which it happens.

    authorization_url   request.py    where the browser goes              (RFC 6749, PKCE, nonce)
    arrive              answer.py     the authorization response          -> code
                        exchange.py   code and verifier                   -> ID token
                        published.py  signature, algorithm, key           -> UnverifiedClaims
                        claims.py     every claim                         -> Identity
    refresh             may who signed in go on?   exchange.py, published.py, claims.py again

A refusal anywhere is a value with its reason; a provider that is down or answers nonsense raises
`ProviderUnavailable`.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import aiohttp
from multidict import MultiMapping

from gateway.config import Config, Provider
from gateway.errors import ProviderUnavailable
from gateway.identity.answer import read_answer
from gateway.identity.checks import Finding, check_provider
from gateway.identity.claims import Expected, verify_claims
from gateway.identity.discovery import Document, tenant_of
from gateway.identity.exchange import Client, exchange, refresh
from gateway.identity.logout_token import verify_logout_token
from gateway.identity.model import Identity, Kind, Refused
from gateway.identity.provenance import Recipient
from gateway.identity.published import Published
from gateway.identity.recall import Recall
from gateway.identity.request import (
    Hints,
    authorization_url,
    has_login,
    keeps,
    origins,
    sign_out_url,
)
from gateway.identity.security_event import verify_security_event
from gateway.identity.token import LOGOUT_TOKEN, SECURITY_EVENT
from gateway.identity.transaction import Transaction
from gateway.operate.outage import Outages, Part, Untold
from gateway.reasons import Reason
from gateway.secret import Secret


@dataclass(frozen=True, slots=True)
class Arrival:
    """Who came back. `refresh_token`: by which the provider can be asked again, if it is to be."""

    identity: Identity
    refresh_token: Secret | None


@dataclass(frozen=True, slots=True)
class Renewal:
    """What the provider says of who signed in before. `identity`: as it is now, `None` when the
    answer does not tell, or why not. `refresh_token`: the one for the next time, if it is another
    one: the one before is worth nothing any more."""

    identity: Identity | Refused | None
    refresh_token: Secret | None


class ProviderClient:
    """One provider as config.yaml names it. `clock` is monotonic seconds, for the caches."""

    def __init__(
        self,
        name: str,
        settings: Provider,
        public_url: str,
        http: aiohttp.ClientSession,
        clock: Callable[[], float] = time.monotonic,
        part: Part | None = None,
    ) -> None:
        self.name = name
        self._part = part or Untold(name)
        self.label = settings.label
        self.kind: Kind = settings.kind
        self.refresh_every = settings.refresh
        origin = public_url.rstrip("/")
        self.redirect_uri = f"{origin}/sso/callback/{name}"
        self._after_sign_out = f"{origin}/sso/logout"
        self._settings = settings
        self._http = http
        self._client = Client(settings.client_id, settings.client_secret, self.redirect_uri)
        self._published = Published(name, settings, http, clock, self._part)

    async def authorization_url(
        self,
        transaction: Transaction,
        *,
        login_hint: str | None = None,
        select_account: bool = False,
        domain_hint: str | None = None,
    ) -> str:
        """Where to send the browser. `login_hint`: the address to sign in with; `select_account`:
        ask which account even if there is only one; `domain_hint`: the organisation's domain.
        Hints smooth the way and prove nothing, and so do `max_age` and `prompt`, which the browser
        could leave out: what comes back is checked."""
        return authorization_url(
            await self._published.document(),
            self._client,
            self._settings,
            transaction,
            Hints(login_hint, select_account, domain_hint),
        )

    async def reauthenticates(self) -> bool:
        """Whether it can be made to ask the person for a proof. Google cannot:
        https://developers.google.com/identity/siwg/security-bundle."""
        return has_login(await self._published.document(), self.kind)

    async def arrive(
        self, transaction: Transaction, params: MultiMapping[str], now: float
    ) -> Arrival | Refused:
        """Who came back with the authorization response `params` (the callback's query) to
        `transaction`; `now` is Unix seconds."""
        if transaction.provider != self.name:
            return Refused(Reason.TRANSACTION_UNKNOWN, "the transaction is another provider's")
        document = await self._published.document()
        code = read_answer(params, transaction.state, document)
        if isinstance(code, Refused):
            return code
        tokens = await self._part.asked(
            exchange(self._http, document, self._client, code.code, transaction.code_verifier)
        )
        if isinstance(tokens, Refused):
            return tokens
        identity = await self._identity(document, tokens.id_token or "", transaction.nonce, now)
        if isinstance(identity, Refused):
            return identity
        if code.issuer not in {None, identity.key.issuer}:
            # Microsoft's issuer has the tenant in it, known only now.
            return Refused(Reason.TOKEN_ISSUER, "iss of response and token differ")
        return Arrival(
            identity, tokens.refresh_token if keeps(self._settings, transaction) else None
        )

    async def refresh(self, refresh_token: Secret, now: float) -> Renewal | Refused:
        """Whether who signed in may go on (OpenID Connect Core section 12); REFRESH_REFUSED: no.

        The caller must keep the new refresh token before anything else, and have only one question
        under way for a token: a provider that rotates them takes the second use of one for theft.
        """
        document = await self._published.document()
        tokens = await self._part.asked(refresh(self._http, document, self._client, refresh_token))
        if isinstance(tokens, Refused):
            return tokens
        identity: Identity | Refused | None = None
        if tokens.id_token is not None:
            try:
                identity = await self._identity(document, tokens.id_token, None, now)
            except ProviderUnavailable as error:
                identity = Refused(error.reason, "the keys cannot be had")
        return Renewal(identity, tokens.refresh_token)

    async def sign_out_url(self, state: str, hint: str | None) -> str | None:
        """Where the browser ends its session at the provider, or `None` if that is not offered.
        `state` comes back with the browser; `hint` is the identity's `logout_hint`."""
        return sign_out_url(
            await self._published.document(),
            self._client.client_id,
            self._after_sign_out,
            state,
            hint,
        )

    async def read_logout_token(self, token: str, now: float) -> Recall | Refused:
        """What a logout token says, from whomever it came; `now` is Unix seconds."""
        claims = await self._published.opened(token, LOGOUT_TOKEN)
        if isinstance(claims, Refused):
            return claims
        return verify_logout_token(claims, await self._recipient(), now)

    async def read_security_event(self, token: str, now: float) -> Recall | Refused:
        """What a security event token says. Google's description of RISC names the same issuer and
        the same keys as its discovery document."""
        claims = await self._published.opened(token, SECURITY_EVENT)
        if isinstance(claims, Refused):
            return claims
        return verify_security_event(claims, await self._recipient(), now)

    def origins(self) -> tuple[str, ...]:
        """Where the provider's own pages are, as far as is known without asking."""
        return origins(self._settings.discovery_url, self._published.held())

    async def check(self) -> list[Finding]:
        """What `sonar-gateway check` says about this provider, one line each. Never raises."""
        return await check_provider(
            self._settings,
            self._client,
            self._http,
            self._published.document,
            self._published.keys,
            lambda: self.sign_out_url(secrets.token_urlsafe(16), None),
        )

    async def _identity(
        self, document: Document, id_token: str, nonce: str | None, now: float
    ) -> Identity | Refused:
        claims = await self._published.opened(id_token)
        if isinstance(claims, Refused):
            return claims
        return verify_claims(claims, self._expected(document, nonce), now)

    def _expected(self, document: Document, nonce: str | None) -> Expected:
        return Expected(
            provider=self.name,
            kind=self.kind,
            issuer=document.issuer,
            client_id=self._client.client_id,
            nonce=nonce,
            clock_skew=self._settings.clock_skew,
            tenant=tenant_of(self._settings.discovery_url) if self.kind == "microsoft" else None,
        )

    async def _recipient(self) -> Recipient:
        document = await self._published.document()
        return Recipient(
            self.kind, document.issuer, self._client.client_id, self._settings.clock_skew
        )


class Providers:
    """The configured providers, in the order of config.yaml."""

    def __init__(
        self, config: Config, http: aiohttp.ClientSession, outages: Outages | None = None
    ) -> None:
        self._clients = {
            name: ProviderClient(
                name,
                settings,
                config.server.public_url,
                http,
                part=None if outages is None else outages.part(f"provider {name}"),
            )
            for name, settings in config.providers.items()
        }

    def get(self, name: str) -> ProviderClient | None:
        return self._clients.get(name)

    def __iter__(self) -> Iterator[ProviderClient]:
        return iter(self._clients.values())

    def __len__(self) -> int:
        return len(self._clients)
