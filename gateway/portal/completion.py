"""Where a sign-in, or a change of account, becomes a session. Nowhere else."""

from aiohttp import web

from gateway.account.model import Account, Reader
from gateway.errors import AuditUnavailable, Unavailable
from gateway.identity.model import Identity, IdentityKey
from gateway.identity.transaction import Proven
from gateway.operate.audit import EventKind
from gateway.portal.candidates import Standing
from gateway.portal.carried import carried
from gateway.portal.form_keeping import remember_owner
from gateway.portal.pages import NOTICES, link_to, refusal, see_other, start_over
from gateway.portal.recall import is_recalled
from gateway.portal.refusals import refused_choice, refused_recalled
from gateway.portal.visit import Visit, add_cookie, browser_session, sign_off
from gateway.reasons import Reason
from gateway.secret import Secret
from gateway.session.cookie import set_cookie
from gateway.session.grant import Origin
from gateway.session.model import Session


async def complete(
    visit: Visit,
    identity: Identity,
    standing: Standing,
    account: Account,
    reason: Reason,
    next_path: str,
    came: Proven | Session | None = None,
    refresh_token: Secret | None = None,
) -> web.Response:
    """Sign this browser in to `account` and go on to `next_path`. `came`: what the identity was
    carried in since it came from the provider, `None` when it comes just now; a session changes its
    account. `refresh_token`: of who comes just now, if the provider is to be asked again.

    The session id is always a new one, so that an id planted before the sign-in is worth nothing
    after it (session fixation), and the browser's previous session ends, whoever's it was. What is
    remembered is written first: should a store fail, nobody is half signed in. A session that
    cannot be recorded, and has to be, ends before its cookie is given away.
    """
    goes_on = isinstance(came, Session) or reason is Reason.PROVED
    if not goes_on and standing.policy.demands_proof(identity, visit.now):
        # They took longer to choose than a proof may be old, or went round the page that asks.
        return _too_old(visit, identity, next_path)
    await _remember(visit, identity.key, standing, account)
    news = await visit.parts.links.notices.unread(account.id, Reader.of_identity(identity.key))
    onward = link_to(NOTICES, next=next_path) if news else next_path
    previous = await browser_session(visit)
    if isinstance(came, Proven):
        refresh_token = await carried(visit, came)
    cookie, session = await visit.parts.sessions.create(
        identity, account, standing.policy, visit.now, _origin(visit, reason, came, refresh_token)
    )
    taken_back = await _taken_back(visit, session, came, next_path)
    if taken_back is not None:
        return taken_back
    replaced = None if previous is None else previous.session
    await _record(visit, reason, session, replaced)
    await remember_owner(visit, session)
    before = came if isinstance(came, Session) else replaced
    was_there = before is None or await visit.parts.sessions.end(before.key)
    if isinstance(came, Session) and not was_there:
        return await _ended_meanwhile(visit, session, next_path)
    visit.parts.counters.sign_ins[reason] += 1
    return _onward(visit, identity.key, cookie, onward)


async def _taken_back(
    visit: Visit, session: Session, came: Proven | Session | None, next_path: str
) -> web.Response | None:
    """What came between the proof and the session, and found no session to end: a logout, or the
    account's removal. It is ended here then, and the answer says why."""
    identity, refused = session.identity, None
    try:
        if await is_recalled(visit, identity, visit.now if came is None else came.started):
            refused = refused_recalled(visit, identity, next_path)
        elif session.account.id in await visit.parts.links.removed_of(identity.key):
            refused = refused_choice(visit, identity, start_over(next_path))
    except Unavailable:
        await visit.parts.sessions.end(session.key)
        raise
    if refused is not None:
        await visit.parts.sessions.end(session.key)
    return refused


async def _ended_meanwhile(visit: Visit, session: Session, next_path: str) -> web.Response:
    """Whoever ended the session that this one goes on from has not found it. Of a form that was
    sent twice the other one has made a session, too, and that one stays."""
    await visit.parts.sessions.end(session.key)
    event = visit.event(EventKind.SESSION_ENDED, Reason.SESSION_EXPIRED, session=session)
    visit.parts.audit.note(event)
    return see_other(next_path)


def _origin(
    visit: Visit, reason: Reason, came: Proven | Session | None, refresh_token: Secret | None
) -> Origin:
    return Origin(
        password_at=visit.now if reason is Reason.PROVED else None,
        continues=came if isinstance(came, Session) else None,
        refresh_token=refresh_token,
    )


def _too_old(visit: Visit, identity: Identity, next_path: str) -> web.Response:
    event = visit.event(EventKind.SIGN_IN_REFUSED, Reason.PROOF_TOO_OLD, identity=identity)
    visit.parts.audit.note(event)
    return refusal(visit, Reason.PROOF_TOO_OLD, start_over(next_path))


async def _record(visit: Visit, reason: Reason, session: Session, replaced: Session | None) -> None:
    signed_in = visit.event(
        EventKind.SIGN_IN,
        reason,
        session=session,
        replaced=replaced.public_id if replaced else None,
    )
    try:
        await visit.parts.audit.record(signed_in)
    except AuditUnavailable:
        await visit.parts.sessions.end(session.key)
        raise


def _onward(visit: Visit, key: IdentityKey, cookie: str, next_path: str) -> web.Response:
    response = see_other(next_path)
    sign_off(visit, response)
    for unused in visit.parts.transactions.of_others(key, visit.cookies, visit.now):
        add_cookie(response, unused)
    add_cookie(response, set_cookie(visit.names.session, cookie, secure=visit.names.secure))
    return response


async def _remember(visit: Visit, key: IdentityKey, standing: Standing, account: Account) -> None:
    """Where there was a choice, the choice; and that a link was used, if it was one."""
    links, facts = visit.parts.links, standing.facts
    if len(standing.accounts) > 1 and facts.preference != account.id:
        await links.prefer(key, account.id)
    if any(entry.account.id == account.id for entry in facts.links):
        await links.used(key, account.id, visit.now)
