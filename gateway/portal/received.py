"""Logouts that a provider tells of: nobody sits in front of these, and no cookie comes with them.

    POST /sso/logout/backchannel/{provider}   a logout token; OpenID Connect Back-Channel Logout 1.0
    POST /sso/logout/risc/{provider}          a security event token; RFC 8935, Google's RISC
    GET  /sso/logout/frontchannel/{provider}  a frame in a page of the provider's; OpenID Connect
                                              Front-Channel Logout 1.0, and Entra's form of it

A token is believed for its signature. It is remembered once its sessions are ended, not before: a
store that fails in between must not make a replay of the sender's second try.

A frame is believed for its `sid`, a name that only the provider and we know. SameSite=Lax keeps our
cookie out of a frame, so the session is found by that name and not by the browser.
"""

import hashlib
from enum import StrEnum
from urllib.parse import parse_qsl

import structlog
from aiohttp import web

from gateway.errors import SessionsUnavailable, Unavailable
from gateway.identity.model import Refused
from gateway.identity.notice import Notice
from gateway.identity.provenance import LONGEST_NAME
from gateway.identity.provider import ProviderClient
from gateway.operate.audit import EventKind
from gateway.portal.pages import Action, refusal
from gateway.portal.recall import recall
from gateway.portal.visit import Visit
from gateway.reasons import Reason
from gateway.session.model import Session, identity_label, provider_label

log = structlog.get_logger()


class Channel(StrEnum):
    """How a logout came; the `channel` of log, audit and metric."""

    BACK = "backchannel"
    RISC = "risc"
    FRONT = "frontchannel"


# What ends a session by a GET has to be past guessing: providers make it of 128 random bits, which
# are 21 characters or more. By one that counts from 1 anybody could sign people out.
_SHORTEST_SID = 16

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

# The same for sessions that ended and for none.
_FRAME = "<!doctype html><html lang=en><title>Sonar</title></html>"


async def backchannel(visit: Visit) -> web.Response:
    """200 when whoever is meant is signed in no more; else 400, whether the fault is the sender's
    or ours (section 2.8), with JSON that says which."""
    outcome = await _received(visit, Channel.BACK, _form_value(await _body(visit)))
    if isinstance(outcome, Notice):
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
    if isinstance(outcome, Notice) or outcome.reason is Reason.TOKEN_REPLAYED:
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


async def frontchannel(visit: Visit) -> web.Response:
    """An empty page, whoever was meant."""
    provider = visit.parts.providers.get(visit.request.match_info["provider"])
    if provider is None:
        return _no_frame(visit, Reason.PROVIDER_UNKNOWN)
    sid, issuer = visit.query("sid"), visit.query("iss")
    # Only Entra leaves out the issuer; by the specification the two come together.
    complete = issuer is not None or provider.kind == "microsoft"
    if sid is None or not _SHORTEST_SID <= len(sid) <= LONGEST_NAME or not complete:
        return _no_frame(visit, Reason.REQUEST_MALFORMED)
    misses = visit.parts.misses
    if misses.too_many(visit.address, visit.now):
        return _no_frame(visit, Reason.LOGOUT_THROTTLED)
    meant = [
        session
        for session in await _named(visit, provider_label(provider.name, sid))
        if issuer in {None, session.identity.key.issuer}
    ]
    if not meant:
        misses.add(visit.address, visit.now)
    for session in meant:
        await visit.parts.sessions.end(session.key)
    _note_ended(visit, Channel.FRONT, Reason.PROVIDER_SIGNED_OUT, ("logout",), meant)
    _count(visit, Channel.FRONT, Reason.PROVIDER_SIGNED_OUT if meant else Reason.LOGOUT_UNKNOWN)
    return _frame(provider)


async def _named(visit: Visit, label: str) -> tuple[Session, ...]:
    try:
        return await visit.parts.store.labelled(label)
    except SessionsUnavailable:
        visit.parts.misses.add(visit.address, visit.now)
        # Those in this process's memory end all the same, and the others as soon as it answers.
        await visit.parts.sessions.end_labelled(label)
        raise


async def _received(visit: Visit, channel: Channel, token: str | None) -> Notice | Refused:
    """What the token says, once it is done."""
    provider = visit.parts.providers.get(visit.request.match_info["provider"])
    try:
        outcome = await _obeyed(visit, channel, provider, token)
    except Unavailable as error:
        log.warning("logout_pending", channel=channel, reason=error.reason, error=str(error))
        _count(visit, channel, error.reason)
        return Refused(error.reason, str(error))
    if isinstance(outcome, Refused):
        log.info(
            "logout_refused",
            channel=channel,
            reason=outcome.reason,
            detail=outcome.detail,
            provider=None if provider is None else provider.name,
        )
        _count(visit, channel, outcome.reason)
    return outcome


async def _obeyed(
    visit: Visit, channel: Channel, provider: ProviderClient | None, token: str | None
) -> Notice | Refused:
    if provider is None or (channel is Channel.RISC and provider.kind != "google"):
        return Refused(Reason.PROVIDER_UNKNOWN, "no such provider")
    if token is None:
        return Refused(Reason.REQUEST_MALFORMED, "no token, or several")
    back = channel is Channel.BACK
    notice = await (
        provider.read_logout_token(token, visit.now)
        if back
        else provider.read_security_event(token, visit.now)
    )
    if isinstance(notice, Refused):
        return notice
    name = _name(channel, provider, notice)
    if await visit.parts.store.kept(name) is not None:
        return Refused(Reason.TOKEN_REPLAYED, "jti has been here before")
    reason = Reason.PROVIDER_SIGNED_OUT if back else Reason.PROVIDER_ALARM
    ended = await _end(visit, provider, notice)
    await visit.parts.store.keep(name, b"1", notice.until - visit.now)
    log.info("logout_received", channel=channel, provider=provider.name, what=notice.what)
    _note_ended(visit, channel, reason, notice.what, ended)
    _count(visit, channel, reason)
    return notice


def _name(channel: Channel, provider: ProviderClient, notice: Notice) -> str:
    """Of fixed length, whatever the provider calls its notices."""
    jti = hashlib.sha256("\0".join((channel, provider.name, notice.jti)).encode()).hexdigest()
    return f"notice:{jti}"


async def _end(visit: Visit, provider: ProviderClient, notice: Notice) -> tuple[Session, ...]:
    """End whatever the notice means; which sessions those were."""
    if notice.sid is not None:
        label = provider_label(provider.name, notice.sid)
    elif notice.key is not None:
        label = identity_label(notice.key)
    else:
        return ()
    try:
        await recall(visit, label)
        meant = await visit.parts.store.labelled(label)
    except SessionsUnavailable:
        # As above.
        meant = ()
    await visit.parts.sessions.end_labelled(label)
    return meant


def _note_ended(
    visit: Visit,
    channel: Channel,
    reason: Reason,
    what: tuple[str, ...],
    ended: list[Session] | tuple[Session, ...],
) -> None:
    for session in ended:
        event = visit.event(
            EventKind.SESSION_ENDED,
            reason,
            session=session,
            channel=channel,
            what=what,
        )
        visit.parts.audit.note(event)


def _count(visit: Visit, channel: Channel, reason: Reason) -> None:
    visit.parts.counters.logouts[channel, reason] += 1


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


def _frame(provider: ProviderClient) -> web.Response:
    """For a frame in the provider's own pages, and in no other."""
    ancestors = " ".join(provider.origins())
    return web.Response(
        text=_FRAME,
        content_type="text/html",
        headers={
            "Content-Security-Policy": f"default-src 'none'; frame-ancestors {ancestors}",
            "Cross-Origin-Resource-Policy": "cross-origin",
        },
    )


def _no_frame(visit: Visit, reason: Reason) -> web.Response:
    _count(visit, Channel.FRONT, reason)
    log.info("logout_refused", channel=Channel.FRONT, reason=reason)
    return refusal(visit, reason, Action("Go to Sonar's front page", "/"))
