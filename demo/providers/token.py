"""The token endpoint: a code for an ID token, once, for who asked for it and can prove so."""

import asyncio
import base64
import hashlib
import hmac
import secrets
from binascii import Error as NotBase64
from urllib.parse import unquote_plus

from aiohttp import web

from demo.providers.faults import TokenReply
from demo.providers.standin import Grant, Provider
from demo.providers.tokens import LIFETIME, id_token


async def token(request: web.Request, provider: Provider) -> web.Response:
    provider.requests["token"] += 1
    form = {name: str(value) for name, value in (await request.post()).items()}
    if not _is_client(request, form, provider):
        return web.json_response({"error": "invalid_client"}, status=401)
    if form.get("grant_type") != "authorization_code":
        return web.json_response({"error": "unsupported_grant_type"}, status=400)
    grant = provider.redeem(form.get("code", ""))
    if grant is None or not _may_redeem(grant, form):
        return web.json_response({"error": "invalid_grant"}, status=400)
    if grant.fault.reply is not None:
        return await _faulty(grant.fault.reply)
    return web.json_response(
        {
            "access_token": secrets.token_urlsafe(24),
            "token_type": "Bearer",
            "expires_in": LIFETIME,
            "scope": "openid email profile",
            "id_token": id_token(provider, grant),
        },
        headers={"Cache-Control": "no-store"},
    )


def _is_client(request: web.Request, form: dict[str, str], provider: Provider) -> bool:
    """By `client_secret_basic` or `client_secret_post` (RFC 6749 section 2.3.1)."""
    client_id, client_secret = form.get("client_id", ""), form.get("client_secret", "")
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            decoded = base64.b64decode(credentials, validate=True).decode()
        except (NotBase64, UnicodeDecodeError):
            return False
        name, _, password = decoded.partition(":")
        client_id, client_secret = unquote_plus(name), unquote_plus(password)
    known = provider.client
    right = hmac.compare_digest(client_secret.encode(), known.client_secret.encode())
    return right and client_id == known.client_id


def _may_redeem(grant: Grant, form: dict[str, str]) -> bool:
    """The redirect URI of the request, and the verifier of its challenge (RFC 7636)."""
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return challenge == grant.code_challenge and form.get("redirect_uri") == grant.redirect_uri


async def _faulty(reply: TokenReply) -> web.Response:
    await asyncio.sleep(reply.hang)
    return web.Response(
        status=reply.status,
        body=reply.body,
        headers={"Content-Type": reply.content_type, **reply.headers},
    )
