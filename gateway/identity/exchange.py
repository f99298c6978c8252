"""Code for tokens at the token endpoint (OpenID Connect Core section 3.1.3), and later a refresh
token for newer ones (section 12)."""

import re
from dataclasses import dataclass
from urllib.parse import quote_plus

import aiohttp
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_token_request

from gateway.errors import ProviderUnavailable
from gateway.identity.answer import ERROR_CODE
from gateway.identity.discovery import Document
from gateway.identity.fetch import Reply, post_form
from gateway.identity.model import Refused
from gateway.reasons import Reason
from gateway.secret import Secret

# RFC 6749 appendix A.17. Entra's, the longest, have some 2 KiB, and each session's record has one.
_REFRESH_TOKEN = re.compile(r"[ -~]{1,16384}")


@dataclass(frozen=True, slots=True)
class Client:
    """What we are to a provider."""

    client_id: str
    client_secret: Secret
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the token endpoint gave, still unread: the ID token, and the refresh token if it gave
    one."""

    id_token: str | None
    refresh_token: Secret | None


async def exchange(
    http: aiohttp.ClientSession, document: Document, client: Client, code: str, verifier: str
) -> Tokens | Refused:
    """The tokens for `code`, an ID token among them; `verifier` is the PKCE one of the same
    sign-in."""
    reply = await ask(http, document, client, code, verifier)
    if reply.status == 200:
        tokens = _tokens(reply)
        if tokens.id_token is not None:
            return tokens
        return Refused(Reason.TOKEN_MALFORMED, "the token endpoint gave no ID token")
    error = error_of(reply)
    if error == "invalid_grant":
        return Refused(Reason.CODE_REFUSED, "the token endpoint refused the code")
    return Refused(Reason.PROVIDER_ERROR, f"token endpoint: {error}")


async def ask(
    http: aiohttp.ClientSession, document: Document, client: Client, code: str, verifier: str
) -> Reply:
    """The token endpoint's answer, 200 or an error (RFC 6749 section 5)."""
    body = prepare_token_request(
        "authorization_code",
        redirect_uri=client.redirect_uri,
        code=code,
        code_verifier=verifier,
    )
    return await _post(http, document, client, body)


async def refresh(
    http: aiohttp.ClientSession, document: Document, client: Client, refresh_token: Secret
) -> Tokens | Refused:
    """Newer tokens, or REFRESH_REFUSED: the person may not go on (RFC 6749 section 5.2,
    `invalid_grant`). Every other error says something of us or of the provider, and nothing of the
    person: it raises ProviderUnavailable."""
    body = prepare_token_request("refresh_token", refresh_token=refresh_token.reveal())
    reply = await _post(http, document, client, body)
    if reply.status == 200:
        return _tokens(reply)
    error = error_of(reply)
    if error == "invalid_grant":
        return Refused(Reason.REFRESH_REFUSED, "the token endpoint refused the refresh token")
    raise ProviderUnavailable(f"{document.issuer}: refresh: {error}")


async def _post(
    http: aiohttp.ClientSession, document: Document, client: Client, body: str
) -> Reply:
    url, headers, body = _authentication(document, client).prepare(
        "POST", document.token_endpoint, {}, body
    )
    return await post_form(http, url, headers, body)


def _tokens(reply: Reply) -> Tokens:
    """A refresh token that nobody could use is as good as none."""
    id_token, refresh_token = reply.content.get("id_token"), reply.content.get("refresh_token")
    usable = isinstance(refresh_token, str) and _REFRESH_TOKEN.fullmatch(refresh_token)
    return Tokens(
        id_token if isinstance(id_token, str) else None,
        Secret(refresh_token) if isinstance(refresh_token, str) and usable else None,
    )


def error_of(reply: Reply) -> str:
    """The error code of a token endpoint's answer, fit for a log."""
    error = reply.content.get("error")
    if isinstance(error, str) and ERROR_CODE.fullmatch(error):
        return error
    return f"status {reply.status}"


def _authentication(document: Document, client: Client) -> ClientAuth:
    """By `client_secret_basic`, the default of every registration, unless only `_post` is offered.

    For `basic` both parts are form-encoded first (RFC 6749 section 2.3.1), which the library
    leaves to its caller: a `:` or `%` in a secret would otherwise change what the provider reads.
    """
    offered = document.token_endpoint_auth_methods_supported
    secret = client.client_secret.reveal()
    if "client_secret_basic" in offered:
        return ClientAuth(quote_plus(client.client_id), quote_plus(secret), "client_secret_basic")
    if "client_secret_post" in offered:
        return ClientAuth(client.client_id, secret, "client_secret_post")
    raise ProviderUnavailable(
        f"{document.issuer}: the token endpoint takes no client secret, only {', '.join(offered)}"
    )
