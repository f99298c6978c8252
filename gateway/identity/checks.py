"""What `sonar-gateway check` finds out about a provider without anybody signing in."""

import re
import secrets
from collections.abc import Awaitable, Callable
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

import aiohttp
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from gateway.config import Provider
from gateway.errors import ProviderUnavailable
from gateway.identity.discovery import Document
from gateway.identity.exchange import Client, ask, error_of
from gateway.identity.fetch import get_page
from gateway.identity.token import SigningKey

# How Google and Entra say, in a page or on the way to it, that the redirect URI or the client is
# not registered: https://learn.microsoft.com/entra/identity-platform/reference-error-codes.
_NOT_REGISTERED = re.compile(
    r"redirect_uri_mismatch|invalid_client|AADSTS50011|AADSTS700016|AADSTS90002|oauth/error"
)


class Finding(NamedTuple):
    """One line of `sonar-gateway check`: what was looked at, whether it is fine, what was seen."""

    what: str
    ok: bool
    detail: str


async def check_provider(
    settings: Provider,
    client: Client,
    http: aiohttp.ClientSession,
    document: Callable[[], Awaitable[Document]],
    keys: Callable[[], Awaitable[tuple[SigningKey, ...]]],
    sign_out: Callable[[], Awaitable[str | None]],
) -> list[Finding]:
    """Discovery, issuer, keys, PKCE, redirect URI, client secret and the provider's own sign-out,
    in this order; what cannot be looked at because an earlier part failed is left out."""
    try:
        found = await document()
    except ProviderUnavailable as error:
        return [Finding("discovery", False, str(error))]
    findings = [Finding("discovery", True, f"{settings.discovery_url}, issuer {found.issuer}")]
    try:
        signing = await keys()
        findings.append(_check_keys(signing, settings.algorithms))
    except ProviderUnavailable as error:
        findings.append(Finding("keys", False, str(error)))
    findings.append(_check_pkce(found))
    findings.append(await _check_redirect_uri(found, client, settings, http))
    findings.append(await _check_client(found, client, http))
    findings.append(await _check_sign_out(sign_out, http))
    return findings


def _check_keys(keys: tuple[SigningKey, ...], algorithms: tuple[str, ...]) -> Finding:
    fitting = [key for key in keys if key.algorithm is None or key.algorithm in algorithms]
    wanted = ", ".join(algorithms)
    if not fitting:
        return Finding("keys", False, f"signing keys: {len(keys)}, none for {wanted}")
    return Finding("keys", True, f"signing keys for {wanted}: {len(fitting)}")


def _check_pkce(document: Document) -> Finding:
    methods = document.code_challenge_methods_supported
    if methods is None:
        # Entra takes PKCE and does not say so in its document.
        return Finding("PKCE", True, "not stated by the provider; S256 is sent")
    return Finding("PKCE", "S256" in methods, f"the provider states {', '.join(methods)}")


async def _check_redirect_uri(
    document: Document, client: Client, settings: Provider, http: aiohttp.ClientSession
) -> Finding:
    """Ask for a sign-in without any page (`prompt=none`). A provider sends its "nobody is signed
    in" to a redirect URI that it knows, and shows a page of its own for one that it does not."""
    url = prepare_grant_uri(
        document.authorization_endpoint,
        client.client_id,
        "code",
        redirect_uri=client.redirect_uri,
        scope=settings.scopes,
        state=secrets.token_urlsafe(16),
        nonce=secrets.token_urlsafe(16),
        code_challenge=create_s256_code_challenge(secrets.token_urlsafe(48)),
        code_challenge_method="S256",
        prompt="none",
    )
    what = "redirect URI"
    try:
        status, location, page = await get_page(http, url)
    except ProviderUnavailable as error:
        return Finding(what, False, str(error))
    if location.startswith(f"{client.redirect_uri}?"):
        return Finding(what, True, f"{client.redirect_uri} is registered")
    if status >= 400 or _NOT_REGISTERED.search(location) or _NOT_REGISTERED.search(page):
        return Finding(
            what, False, f"refused; register exactly {client.redirect_uri} and check the client_id"
        )
    return Finding(
        what, True, f"not refused, which proves little; register exactly {client.redirect_uri}"
    )


async def _check_client(document: Document, client: Client, http: aiohttp.ClientSession) -> Finding:
    """Offer the token endpoint a code that cannot be right: it complains of the code when it
    accepted the client, and of the client when not."""
    what = "client secret"
    try:
        reply = await ask(
            http, document, client, secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        )
    except ProviderUnavailable as error:
        return Finding(what, False, str(error))
    complaint = error_of(reply)
    if complaint == "invalid_grant":
        return Finding(what, True, "accepted")
    if complaint in {"invalid_client", "unauthorized_client"} or reply.status == 401:
        return Finding(what, False, f"refused ({complaint}); check client_id and client_secret")
    return Finding(what, True, f"not refused, which proves little ({complaint})")


async def _check_sign_out(
    sign_out: Callable[[], Awaitable[str | None]], http: aiohttp.ClientSession
) -> Finding:
    """Open the provider's sign-out as a browser would that is not signed in there. A provider that
    minds where it is to send people afterwards says so at once."""
    what = "sign-out"
    try:
        url = await sign_out()
        if url is None:
            return Finding(what, True, "the provider has none; people are told so")
        status, location, page = await get_page(http, url)
    except ProviderUnavailable as error:
        return Finding(what, False, str(error))
    back = dict(parse_qsl(urlsplit(url).query))["post_logout_redirect_uri"]
    if status >= 400 or _NOT_REGISTERED.search(location) or _NOT_REGISTERED.search(page):
        return Finding(what, False, f"refused; register {back} for after signing out")
    return Finding(what, True, f"{back} is not refused")
