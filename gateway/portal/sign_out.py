"""Sign out here or everywhere, and then, for who wants to, at the provider.

OpenID Connect RP-Initiated Logout 1.0. The provider is told who leaves by `logout_hint`, with the
opaque `login_hint` claim that it gave us for this (Entra: an optional claim). Not by
`id_token_hint`: for that every session would have to keep its ID token, one to three KiB with name
and address in it, and put it into a URL, which stays in the browser's history and in the logs of
whoever stands in between. Without a hint a provider asks who it is, or whether it shall.
"""

from dataclasses import dataclass

import structlog
from aiohttp import web

from gateway.errors import ProviderUnavailable, SessionsUnavailable
from gateway.identity.model import Identity
from gateway.identity.provider import ProviderClient
from gateway.identity.transaction import Leaving
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
from gateway.portal.recall import recall
from gateway.portal.refusals import broken, refused_form
from gateway.portal.visit import Visit, add_cookie, browser_session, sign_off
from gateway.session.cookie import cookie_pairs
from gateway.session.model import identity_label

log = structlog.get_logger()

PATH = "/sso/logout"

# Where Google's own sign-out is, behind the picture; no other site can lead to it.
GOOGLE_ACCOUNT = "https://myaccount.google.com/"


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
        return _out_already(visit)
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
    visit.parts.audit.note(visit.event(EventKind.SIGNED_OUT, session=session))
    response = _to_signed_out(visit, session.identity)
    _leave_nothing(visit, response)
    return response


async def everywhere(visit: Visit) -> web.Response:
    """End every session of this identity, in whatever browser and account, and whatever of it is
    on its way to become one."""
    live = await browser_session(visit)
    if live is None:
        return _out_already(visit)
    session = live.session
    fields = await visit.form(session_binding(session.key))
    if isinstance(fields, Unreadable):
        return refused_form(visit, fields, PATH)
    label = identity_label(session.identity.key)
    ended: int | None = None
    try:
        try:
            # First: what becomes a session after they were looked for has to find it.
            await recall(visit, label)
        finally:
            ended = await visit.parts.sessions.end_labelled(label)
        response = _to_signed_out(visit, session.identity, done="everywhere")
    except SessionsUnavailable as error:
        # They end as soon as the store answers; but nobody is told that it has happened.
        response = broken(visit, error, PATH)
    signed_out = visit.event(EventKind.SIGNED_OUT, session=session, sessions_ended=ended)
    visit.parts.audit.note(signed_out)
    _leave_nothing(visit, response)
    return response


def _out_already(visit: Visit) -> web.Response:
    """The session ended before its person pressed the button; what was half signed in did not."""
    response = see_other(PATH)
    _forget_unfinished(visit, response)
    return response


def _leave_nothing(visit: Visit, response: web.Response) -> None:
    sign_off(visit, response)
    _forget_unfinished(visit, response)


def _forget_unfinished(visit: Visit, response: web.Response) -> None:
    """What was half signed in, in another tab: whoever comes next could go on with it."""
    present = (name for name, _ in cookie_pairs(visit.cookie_header))
    for unused in visit.parts.transactions.all(present):
        add_cookie(response, unused)


def _to_signed_out(visit: Visit, identity: Identity, **done: str) -> web.Response:
    """The page that says so, which knows by a cookie of its own who has left."""
    transactions = visit.parts.transactions
    leaving = Leaving.of(identity.provider, identity.logout_hint, visit.now)
    response = see_other(link_to(PATH, tx=leaving.id, **done))
    add_cookie(response, transactions.keep(leaving))
    return response


async def _signed_out(visit: Visit) -> web.Response:
    left = _left(visit)
    if left is not None:
        log.info("signed_out_at_provider", provider=left.provider)
        response = await _signed_out_page(visit, left, back=True)
        add_cookie(response, visit.parts.transactions.drop(left.id))
        return response
    entry_id = visit.query("tx") or ""
    leaving = visit.parts.transactions.leaving(entry_id, visit.cookies, visit.now)
    return await _signed_out_page(visit, leaving if isinstance(leaving, Leaving) else None)


def _left(visit: Visit) -> Leaving | None:
    """Who comes back from the provider's sign-out, to the browser that went there."""
    state = visit.query("state") or ""
    left = visit.parts.transactions.left(state, visit.cookies, visit.now)
    return left if isinstance(left, Leaving) else None


async def _signed_out_page(
    visit: Visit, leaving: Leaving | None, *, back: bool = False
) -> web.Response:
    client = None if leaving is None else visit.parts.providers.get(leaving.provider)
    way = None if leaving is None or client is None or back else await _way(client, leaving)
    return page(
        visit,
        "signed_out.html",
        everywhere=leaving is not None and visit.query("done") == "everywhere",
        provider=None if client is None else face_of(visit, client.name),
        back=back,
        way=way,
        actions=(Action("Sign in again", "/sso/login"), password_action(visit, "/")),
    )


@dataclass(frozen=True, slots=True)
class Way:
    """How to sign out at the provider. `offered`: it has a sign-out that another site can lead to,
    `None` when it did not say. `action`: where to go for it."""

    offered: bool | None
    action: Action | None


async def _way(client: ProviderClient, leaving: Leaving) -> Way:
    """Being signed out here must never wait for somebody else, so a provider that does not answer
    is no error."""
    try:
        url = await client.sign_out_url(leaving.state, leaving.hint)
    except ProviderUnavailable:
        return Way(None, None)
    if url is not None:
        return Way(True, Action(f"Sign out of {client.label} too", url))
    if client.kind == "google":
        return Way(False, Action("Open your Google Account", GOOGLE_ACCOUNT))
    return Way(False, None)
