"""An account's owner hears of a new link, on the way in, and can undo it there.

Told to everybody who signs in to the account but with the identity that was linked: whoever linked
it knows. Each of them is told again at each sign-in until they have said that they have read it,
which they say for themselves alone. Who comes with the Sonar password alone is sent here by the
edge, with what account/password_reader.py made of the password that they typed there.
"""

from dataclasses import dataclass

from aiohttp import web

from gateway.account.model import Account, Notice, Reader
from gateway.account.password_reader import PasswordReaders
from gateway.errors import Unavailable
from gateway.operate.audit import EventKind
from gateway.portal.forms import Unreadable
from gateway.portal.pages import NOTICES, face_of, link_to, page, see_other, token_for
from gateway.portal.person import not_signed_in, session_binding
from gateway.portal.refusals import refused_form
from gateway.portal.visit import Visit, has_own_session, signed_in
from gateway.session.model import Session, link_label


@dataclass(frozen=True, slots=True)
class _Owner:
    """Somebody who may hear what there is to say about `account`. `bound_to`: what their forms are
    bound to; `session`: `None` for a password user."""

    account: Account
    reader: Reader
    bound_to: str
    session: Session | None = None


async def show(visit: Visit) -> web.Response:
    """The notices, or, when there is none, on to where the person meant to go. Whom Sonar
    has let in by password goes on there, too, when nobody can say."""
    try:
        return await _show(visit)
    except Unavailable:
        if has_own_session(visit):
            return see_other(visit.next())
        raise


async def _show(visit: Visit) -> web.Response:
    owner = await _owner(visit)
    if owner is None:
        return _not_told(visit)
    unread = await visit.parts.links.notices.unread(owner.account.id, owner.reader)
    undone = visit.query("done") == "undone"
    if not unread and not undone:
        return see_other(visit.next())
    return page(
        visit,
        "notices.html",
        token=token_for(visit, owner.bound_to),
        account=owner.account,
        notices=[(notice, face_of(visit, notice.provider)) for notice in unread],
        gone=not undone and not all(notice.standing for notice in unread),
        undone=undone,
        read=link_to(f"{NOTICES}/read", next=visit.next()),
        undo=link_to(f"{NOTICES}/undo", next=visit.next()),
        onward=visit.next(),
        profile=visit.parts.config.upstream.profile_path,
    )


async def read(visit: Visit) -> web.Response:
    """It was them, or somebody who may."""
    asked = await _asked(visit)
    if isinstance(asked, web.Response):
        return asked
    owner, notice = asked
    if notice is not None:
        await visit.parts.links.notices.read(notice, owner.reader)
    return see_other(link_to(NOTICES, next=visit.next()))


async def undo(visit: Visit) -> web.Response:
    """It was not: the link goes, and every session it opened."""
    asked = await _asked(visit)
    if isinstance(asked, web.Response):
        return asked
    owner, notice = asked
    if notice is None:
        return see_other(link_to(NOTICES, next=visit.next()))
    links, account_id = visit.parts.links, owner.account.id
    await links.remove(notice.identity, account_id, visit.now)
    ended: int | None = None
    try:
        ended = await visit.parts.sessions.end_labelled(link_label(notice.identity, account_id))
        await links.notices.read(notice, owner.reader)
    finally:
        # The link is gone, whatever else does not answer.
        removed = visit.event(
            EventKind.LINK_REMOVED,
            identity=notice.identity,
            account=account_id,
            provider=notice.provider,
            session=owner.session,
            sessions_ended=ended,
            by="notice" if owner.session is not None else "notice, with the Sonar password",
        )
        visit.parts.audit.note(removed)
    return see_other(link_to(NOTICES, done="undone", next=visit.next()))


async def _owner(visit: Visit) -> _Owner | None:
    live = await signed_in(visit)
    if live is None:
        return await _password_user(visit)
    session = live.session
    reader = Reader.of_identity(session.identity.key)
    return _Owner(session.account, reader, session_binding(session.key), session)


async def _password_user(visit: Visit) -> _Owner | None:
    """Who has just typed the password. Only with the session that Sonar gave for it: whoever signs
    out leaves nothing to who sits down next, and signs in as somebody else."""
    sonar = (cookie.name for cookie in visit.parts.config.upstream.session_cookies)
    readers = PasswordReaders(visit.parts.sealer, visit.names, sonar)
    known = readers.known(visit.cookies.get(readers.cookie_name))
    if known is None or not known.counts(visit.now, readers.sonar(visit.cookie_header)):
        return None
    account = await visit.parts.directory.by_id(known.account_id)
    if account is None or not account.active:
        return None
    return _Owner(account, known.reader, f"password-reader:{known.browser}:{account.id}")


def _not_told(visit: Visit) -> web.Response:
    """A password user who comes too late, or for nothing, hears of it at the next sign-in."""
    if visit.request.method == "GET" and has_own_session(visit):
        return see_other(visit.next())
    return not_signed_in(visit, link_to(NOTICES, next=visit.next()))


async def _asked(visit: Visit) -> tuple[_Owner, Notice | None] | web.Response:
    """Who presses a button, and of which notice; `None` for one that is read already, or is not for
    them."""
    owner = await _owner(visit)
    if owner is None:
        return _not_told(visit)
    fields = await visit.form(owner.bound_to, "notice")
    if isinstance(fields, Unreadable):
        return refused_form(visit, fields, link_to(NOTICES, next=visit.next()))
    unread = await visit.parts.links.notices.unread(owner.account.id, owner.reader)
    return owner, next((each for each in unread if each.id == fields["notice"]), None)
