"""Logouts that a provider's server sends, each a token that is believed for its signature.

    POST /sso/logout/backchannel/{provider}   a logout token; OpenID Connect Back-Channel Logout 1.0
    POST /sso/logout/risc/{provider}          a security event token; RFC 8935, Google's RISC

A token is remembered once its sessions are ended, not before: a store that fails in between must
not make a replay of the sender's second try.
"""

import hashlib
from urllib.parse import parse_qsl

import structlog
from aiohttp import web

from gateway.errors import Unavailable
from gateway.identity.model import Refused
from gateway.identity.provider import ProviderClient
from gateway.identity.recall import Recall
from gateway.portal.logouts import Channel, count, note_refused, noting
from gateway.portal.recall import recall
from gateway.portal.visit import Visit
from gateway.reasons import Reason
from gateway.session.endings import Note
from gateway.session.model import identity_label, provider_label

log = structlog.get_logger()

# Logout tokens have half a KiB, and a stranger's megabytes are not worth reading.
_LONGEST_BODY = 16 * 1024

# The words of RFC 8935 section 2.4; for the rest `invalid_request`.
_EVENT_ERRORS = {
    Reason.TOKEN_ISSUER: "invalid_issuer",
    Reason.TOKEN_AUDIENCE: "invalid_audience",
    Reason.TOKEN_KEY_UNKNOWN: "invalid_key",
    Reason.TOKEN_KEY_ISSUER: "invalid_key",
    Reason.TOKEN_SIGNATURE: "authentication_failed",
}
_OURS = frozenset((Reason.PROVIDER_UNAVAILABLE, Reason.SESSIONS_UNAVAILABLE))
_LATER = {"Retry-After": "30"}


async def backchannel(visit: Visit) -> web.Response:
    """200 when whoever is meant is signed in no more; else 400, whether the fault is the sender's
    or ours (section 2.8), with JSON that says which."""
    outcome = await _received(visit, Channel.BACK, _form_value(await _body(visit)))
    if isinstance(outcome, Recall):
        return web.Response()
    ours = outcome.reason in _OURS
    error = "temporarily_unavailable" if ours else "invalid_request"
    return web.json_response(
        {"error": error, "error_description": outcome.reason},
        status=404 if outcome.reason is Reason.PROVIDER_UNKNOWN else 400,
        headers=_LATER if ours else None,
    )


async def risc(visit: Visit) -> web.Response:
    """202 for what is believed, known or not, also when it comes again (RFC 8935 section 2.2)."""
    outcome = await _received(visit, Channel.RISC, (await _body(visit)).strip() or None)
    if isinstance(outcome, Recall) or outcome.reason is Reason.TOKEN_REPLAYED:
        return web.Response(status=202)
    if outcome.reason in _OURS:
        return web.Response(status=503, headers=_LATER)
    return web.json_response(
        {
            "err": _EVENT_ERRORS.get(outcome.reason, "invalid_request"),
            "description": outcome.reason,
        },
        status=404 if outcome.reason is Reason.PROVIDER_UNKNOWN else 400,
    )


async def _received(visit: Visit, channel: Channel, token: str | None) -> Recall | Refused:
    """What the token says, once it is done."""
    provider = visit.parts.providers.get(visit.request.match_info["provider"])
    try:
        outcome = await _obeyed(visit, channel, provider, token)
    except Unavailable as error:
        log.warning("logout_pending", channel=channel, reason=error.reason, error=str(error))
        count(visit, channel, error.reason)
        return Refused(error.reason, str(error))
    if isinstance(outcome, Refused):
        name = None if provider is None else provider.name
        note_refused(visit, channel, outcome.reason, detail=outcome.detail, provider=name)
    return outcome


async def _obeyed(
    visit: Visit, channel: Channel, provider: ProviderClient | None, token: str | None
) -> Recall | Refused:
    if provider is None or (channel is Channel.RISC and provider.kind != "google"):
        return Refused(Reason.PROVIDER_UNKNOWN, "no such provider")
    if token is None:
        return Refused(Reason.REQUEST_MALFORMED, "no token, or several")
    back = channel is Channel.BACK
    told = await (
        provider.read_logout_token(token, visit.now)
        if back
        else provider.read_security_event(token, visit.now)
    )
    if isinstance(told, Refused):
        return told
    name = _name(channel, provider, told)
    if await visit.parts.named.get(name) is not None:
        return Refused(Reason.TOKEN_REPLAYED, "jti has been here before")
    reason = Reason.PROVIDER_SIGNED_OUT if back else Reason.PROVIDER_ALARM
    await _end(visit, provider, told, noting(visit, channel, reason, told.what))
    await visit.parts.named.put(name, b"1", told.until - visit.now)
    log.info("logout_received", channel=channel, provider=provider.name, what=told.what)
    count(visit, channel, reason)
    return told


def _name(channel: Channel, provider: ProviderClient, told: Recall) -> str:
    """Of fixed length, whatever the provider calls it."""
    jti = hashlib.sha256("\0".join((channel, provider.name, told.jti)).encode()).hexdigest()
    return f"recall:{jti}"


async def _end(visit: Visit, provider: ProviderClient, told: Recall, note: Note) -> None:
    """End whatever it means."""
    if told.sid is not None:
        label = provider_label(provider.name, told.sid)
    elif told.key is not None:
        label = identity_label(told.key)
    else:
        return
    try:
        await recall(visit, label)
    finally:
        # Those in this process's memory end all the same, and the others as soon as it answers.
        await visit.parts.sessions.end_labelled(label, note)


async def _body(visit: Visit) -> str:
    """As text; what is none, or longer than any token, cannot be one."""
    if (visit.request.content_length or 0) > _LONGEST_BODY:
        return ""
    body = await visit.request.read()
    return "" if len(body) > _LONGEST_BODY else body.decode("ascii", "replace")


def _form_value(body: str) -> str | None:
    """The `logout_token` of a form; two are none. Other fields may stand beside it."""
    try:
        pairs = parse_qsl(body, strict_parsing=True, max_num_fields=16)
    except ValueError:
        return None
    tokens = [value for name, value in pairs if name == "logout_token"]
    return tokens[0] if len(tokens) == 1 else None
