"""An account's owner hears of a new link, on the way in, and can undo it there.

Told to everybody who signs in to the account but with the identity that was linked: whoever linked
it knows, and must not be the one who takes the news away. It is told again at each sign-in until
somebody has said that they have read it.
"""

from aiohttp import web

from gateway.account.model import Notice
from gateway.operate.audit import EventKind
from gateway.portal.forms import Unreadable
from gateway.portal.pages import NOTICES, face_of, link_to, page, see_other, token_for
from gateway.portal.person import not_signed_in, session_binding
from gateway.portal.refusals import refused_form
from gateway.portal.visit import Visit, signed_in
from gateway.session.model import Session, link_label


async def show(visit: Visit) -> web.Response:
    """The notices, or, when there is none, on to where the person meant to go."""
    live = await signed_in(visit)
    if live is None:
        return not_signed_in(visit, link_to(NOTICES, next=visit.next()))
    session = live.session
    unread = await _unread(visit, session)
    undone = visit.query("done") == "undone"
    if not unread and not undone:
        return see_other(visit.next())
    return page(
        visit,
        "notices.html",
        token=token_for(visit, session_binding(session.key)),
        account=session.account,
        notices=[(notice, face_of(visit, notice.provider)) for notice in unread],
        undone=undone,
        read=link_to(f"{NOTICES}/read", next=visit.next()),
        undo=link_to(f"{NOTICES}/undo", next=visit.next()),
        onward=visit.next(),
    )


async def read(visit: Visit) -> web.Response:
    """It was them, or somebody who may."""
    asked = await _asked(visit)
    if isinstance(asked, web.Response):
        return asked
    session, notice = asked
    if notice is not None:
        await visit.parts.links.notices.read(session.account.id, notice.id, visit.now)
    return see_other(link_to(NOTICES, next=visit.next()))


async def undo(visit: Visit) -> web.Response:
    """It was not: the link goes, and every session it opened."""
    asked = await _asked(visit)
    if isinstance(asked, web.Response):
        return asked
    session, notice = asked
    if notice is None:
        return see_other(link_to(NOTICES, next=visit.next()))
    links, account_id = visit.parts.links, session.account.id
    await links.remove(notice.identity, account_id, visit.now)
    ended = await visit.parts.sessions.end_labelled(link_label(notice.identity, account_id))
    await links.notices.read(account_id, notice.id, visit.now)
    removed = visit.event(
        EventKind.LINK_REMOVED,
        identity=notice.identity,
        account=account_id,
        provider=notice.provider,
        session=session,
        sessions_ended=ended,
        by="notice",
    )
    visit.parts.audit.note(removed)
    return see_other(link_to(NOTICES, done="undone", next=visit.next()))


async def _asked(visit: Visit) -> tuple[Session, Notice | None] | web.Response:
    """Who presses a button, and of which notice; `None` for one that is read already, or is not for
    them."""
    live = await signed_in(visit)
    if live is None:
        return not_signed_in(visit, link_to(NOTICES, next=visit.next()))
    session = live.session
    fields = await visit.form(session_binding(session.key), "notice")
    if isinstance(fields, Unreadable):
        return refused_form(visit, fields, link_to(NOTICES, next=visit.next()))
    unread = await _unread(visit, session)
    return session, next((each for each in unread if each.id == fields["notice"]), None)


async def _unread(visit: Visit, session: Session) -> tuple[Notice, ...]:
    return await visit.parts.links.notices.unread(session.account.id, session.identity.key)
