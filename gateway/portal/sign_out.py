"""Sign out here, with a word about the provider, where the person stays signed in."""

import structlog
from aiohttp import web

from gateway.errors import ProviderUnavailable, SessionsUnavailable
from gateway.identity.provider import ProviderClient
from gateway.operate.audit import EventKind
from gateway.portal.forms import Unreadable
from gateway.portal.pages import (
    Action,
    face_of,
    link_to,
    page,
    password_action,
    see_other,
    token_for,
)
from gateway.portal.person import session_binding
from gateway.portal.refusals import refused_form
from gateway.portal.visit import Visit, browser_session, sign_off

log = structlog.get_logger()

PATH = "/sso/logout"


async def show(visit: Visit) -> web.Response:
    """Ask first: a link on another site must not sign anybody out. Without a session, say that
    there is none."""
    live = await browser_session(visit)
    if live is None:
        return await _signed_out(visit)
    identity = live.session.identity
    return page(
        visit,
        "sign_out.html",
        token=token_for(visit, session_binding(live.session.key)),
        provider=face_of(visit, identity.provider),
        email=identity.email,
        account=live.session.account,
        actions=(Action("Stay signed in", "/"),),
    )


async def sign_out(visit: Visit) -> web.Response:
    live = await browser_session(visit)
    if live is None:
        return see_other(PATH)
    fields = await visit.form(session_binding(live.session.key))
    if isinstance(fields, Unreadable):
        return refused_form(visit, fields, PATH)
    try:
        await visit.parts.sessions.end(live.session.key)
    except SessionsUnavailable as error:
        # This process refuses the session from now on and tells the store as soon as it answers;
        # whoever leaves a shared computer must not be kept signed in by our trouble.
        log.warning("sign_out_pending", reason=error.reason)
    session = live.session
    signed_out = visit.event(
        EventKind.SIGNED_OUT,
        identity=session.identity,
        account=session.account.id,
        session=session.public_id,
    )
    visit.parts.audit.note(signed_out)
    response = see_other(link_to(PATH, provider=session.identity.provider))
    sign_off(visit, response)
    return response


async def _signed_out(visit: Visit) -> web.Response:
    client = visit.parts.providers.get(visit.query("provider") or "")
    return page(
        visit,
        "signed_out.html",
        provider=None if client is None else face_of(visit, client.name),
        provider_way=None if client is None else await _provider_way(client),
        actions=(Action("Sign in again", "/sso/login"), password_action(visit, "/")),
    )


async def _provider_way(client: ProviderClient) -> Action | None:
    """The provider's own sign-out; none when it has none or does not answer: being signed out
    here must never wait for somebody else."""
    try:
        url = await client.sign_out_url()
    except ProviderUnavailable:
        return None
    return None if url is None else Action(f"Sign out of {client.label} too", url)
