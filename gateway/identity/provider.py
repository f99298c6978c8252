"""One provider, from the way there to a verified identity, in the order in which it happens.

    authorization_url   where the browser goes                            (RFC 6749, PKCE, nonce)
    identify            answer.py    the authorization response           -> code
                        exchange.py  code and verifier                    -> ID token
                        token.py     signature, algorithm, key            -> UnverifiedClaims
                        claims.py    every claim                          -> Identity

A refusal anywhere is a value with its reason; a provider that is down or answers nonsense raises
`ProviderUnavailable`. Discovery and keys are kept by cached.py, apart for each provider.
"""

import time
from collections.abc import Callable, Iterator

import aiohttp
from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from multidict import MultiMapping

from gateway.config import Config, Provider
from gateway.errors import ProviderUnavailable
from gateway.identity.answer import read_answer
from gateway.identity.cached import Cached
from gateway.identity.checks import Finding, check_provider
from gateway.identity.claims import Expected, UnverifiedClaims, verify_claims
from gateway.identity.discovery import Document, read_document, tenant_of
from gateway.identity.exchange import Client, exchange
from gateway.identity.fetch import get_json
from gateway.identity.model import Identity, Kind, Refused
from gateway.identity.token import SigningKey, open_token, read_keys
from gateway.identity.transaction import Transaction
from gateway.reasons import Reason

# RFC 5321: no address is longer. A hint is only passed on, so what is strange is left out.
_LONGEST_HINT = 254


class ProviderClient:
    """One provider as config.yaml names it. `clock` is monotonic seconds, for the caches."""

    def __init__(
        self,
        name: str,
        settings: Provider,
        public_url: str,
        http: aiohttp.ClientSession,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.label = settings.label
        self.kind: Kind = settings.kind
        origin = public_url.rstrip("/")
        self.redirect_uri = f"{origin}/sso/callback/{name}"
        self._after_sign_out = f"{origin}/sso/login"
        self._settings = settings
        self._http = http
        self._client = Client(settings.client_id, settings.client_secret, self.redirect_uri)
        self._document = Cached(f"{name} discovery", self._load_document, clock)
        self._keys = Cached(f"{name} keys", self._load_keys, clock)

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
        Hints smooth the way and prove nothing."""
        document = await self._document.get()
        hint = _fit(login_hint)
        if select_account and self.kind == "microsoft":
            # Entra answers the two together with an error.
            hint = None
        domain = _fit(domain_hint)
        url: str = prepare_grant_uri(
            document.authorization_endpoint,
            self._client.client_id,
            "code",
            redirect_uri=self.redirect_uri,
            scope=self._settings.scopes,
            state=transaction.state,
            nonce=transaction.nonce,
            code_challenge=create_s256_code_challenge(transaction.code_verifier),
            code_challenge_method="S256",
            prompt=_prompt(document) if select_account else None,
            login_hint=hint,
            hd=domain if self.kind == "google" else None,
            domain_hint=domain if self.kind == "microsoft" else None,
        )
        return url

    async def identify(
        self, transaction: Transaction, params: MultiMapping[str], now: float
    ) -> Identity | Refused:
        """Who came back with the authorization response `params` (the callback's query) to
        `transaction`; `now` is Unix seconds."""
        if transaction.provider != self.name:
            return Refused(Reason.TRANSACTION_UNKNOWN, "the transaction is another provider's")
        document = await self._document.get()
        code = read_answer(params, transaction.state, document)
        if isinstance(code, Refused):
            return code
        token = await exchange(
            self._http, document, self._client, code.code, transaction.code_verifier
        )
        if isinstance(token, Refused):
            return token
        claims = await self._open(token)
        if isinstance(claims, Refused):
            return claims
        identity = verify_claims(claims, self._expected(document, transaction), now)
        if isinstance(identity, Identity) and code.issuer not in {None, identity.key.issuer}:
            # Microsoft's issuer has the tenant in it, known only now.
            return Refused(Reason.TOKEN_ISSUER, "iss of response and token differ")
        return identity

    async def sign_out_url(self) -> str | None:
        """Where the browser ends its session at the provider, or `None` if that is not offered
        (OpenID Connect RP-Initiated Logout 1.0 section 2)."""
        document = await self._document.get()
        if document.end_session_endpoint is None:
            return None
        url: str = add_params_to_uri(
            document.end_session_endpoint,
            [
                ("client_id", self._client.client_id),
                ("post_logout_redirect_uri", self._after_sign_out),
            ],
        )
        return url

    async def check(self) -> list[Finding]:
        """What `sonar-gateway check` says about this provider, one line each. Never raises."""
        return await check_provider(
            self._settings, self._client, self._http, self._document.get, self._keys.get
        )

    async def _open(self, token: str) -> UnverifiedClaims | Refused:
        """Verify the signature; an unknown key is asked for again, as providers roll theirs."""
        algorithms = self._settings.algorithms
        opened = open_token(token, await self._keys.get(), algorithms)
        if isinstance(opened, Refused) and opened.reason is Reason.TOKEN_KEY_UNKNOWN:
            opened = open_token(token, await self._keys.renewed(), algorithms)
        return opened

    def _expected(self, document: Document, transaction: Transaction) -> Expected:
        return Expected(
            provider=self.name,
            kind=self.kind,
            issuer=document.issuer,
            client_id=self._client.client_id,
            nonce=transaction.nonce,
            clock_skew=self._settings.clock_skew,
            tenant=tenant_of(self._settings.discovery_url) if self.kind == "microsoft" else None,
        )

    async def _load_document(self) -> Document:
        url = self._settings.discovery_url
        reply = await get_json(self._http, url)
        if reply.status != 200:
            raise ProviderUnavailable(f"{url}: status {reply.status}")
        return read_document(self.kind, url, reply.content)

    async def _load_keys(self) -> tuple[SigningKey, ...]:
        url = (await self._document.get()).jwks_uri
        reply = await get_json(self._http, url)
        keys = read_keys(reply.content) if reply.status == 200 else ()
        if not keys:
            raise ProviderUnavailable(f"{url}: status {reply.status}, no usable signing key")
        return keys


class Providers:
    """The configured providers, in the order of config.yaml."""

    def __init__(self, config: Config, http: aiohttp.ClientSession) -> None:
        self._clients = {
            name: ProviderClient(name, settings, config.server.public_url, http)
            for name, settings in config.providers.items()
        }

    def get(self, name: str) -> ProviderClient | None:
        return self._clients.get(name)

    def __iter__(self) -> Iterator[ProviderClient]:
        return iter(self._clients.values())

    def __len__(self) -> int:
        return len(self._clients)


def _fit(hint: str | None) -> str | None:
    """A hint from a URL, if it is something one would pass on."""
    if not hint or len(hint) > _LONGEST_HINT or not hint.isprintable():
        return None
    return hint


def _prompt(document: Document) -> str | None:
    """How to ask for the account picker: OpenID Connect Core names `select_account`, but a provider
    that lists its prompts without it would answer with an error."""
    offered = document.prompt_values_supported
    if offered is None or "select_account" in offered:
        return "select_account"
    return "login" if "login" in offered else None
