"""Where a sign-in, or a change of account, becomes a session. Nowhere else."""

from aiohttp import web

from gateway.account.model import Account
from gateway.errors import AuditUnavailable
from gateway.identity.model import Identity, IdentityKey
from gateway.operate.audit import EventKind
from gateway.portal.candidates import Standing
from gateway.portal.form_keeping import remember_owner
from gateway.portal.pages import NOTICES, link_to, refusal, see_other, start_over
from gateway.portal.recall import is_recalled
from gateway.portal.refusals import refused_recalled
from gateway.portal.visit import Visit, add_cookie, browser_session, sign_off
from gateway.reasons import Reason
from gateway.session.cookie import set_cookie
from gateway.session.live import Live
from gateway.session.model import Session


async def complete(
    visit: Visit,
    identity: Identity,
    standing: Standing,
    account: Account,
    reason: Reason,
    next_path: str,
    continues: Session | None = None,
) -> web.Response:
    """Sign this browser in to `account` and go on to `next_path`. `continues`: the session that
    changes its account, of the same identity.

    The session id is always a new one, so that an id planted before the sign-in is worth nothing
    after it (session fixation), and the browser's previous session ends, whoever's it was. What is
    remembered is written first: should a store fail, nobody is half signed in. A session that
    cannot be recorded, and has to be, ends before its cookie is given away.
    """
    by_password = reason is Reason.PROVED
    if not (continues or by_password) and standing.policy.demands_proof(identity, visit.now):
        # They took longer to choose than a proof may be old, or went round the page that asks.
        return _too_old(visit, identity, next_path)
    await _remember(visit, identity.key, standing, account)
    news = await visit.parts.links.notices.unread(account.id, identity.key)
    onward = link_to(NOTICES, next=next_path) if news else next_path
    previous = await browser_session(visit)
    cookie, session = await visit.parts.sessions.create(
        identity,
        account,
        standing.policy,
        visit.now,
        password_at=visit.now if by_password else None,
        continues=continues,
    )
    if await is_recalled(visit, identity, visit.now):
        # A logout that came between the proof and the session has found none.
        await visit.parts.sessions.end(session.key)
        return refused_recalled(visit, identity, next_path)
    await _record(visit, reason, session, previous)
    await remember_owner(visit, session)
    if previous is not None:
        await visit.parts.sessions.end(previous.session.key)
    visit.parts.counters.sign_ins[reason] += 1
    return _onward(visit, cookie, onward)


def _too_old(visit: Visit, identity: Identity, next_path: str) -> web.Response:
    event = visit.event(EventKind.SIGN_IN_REFUSED, Reason.PROOF_TOO_OLD, identity=identity)
    visit.parts.audit.note(event)
    return refusal(visit, Reason.PROOF_TOO_OLD, start_over(next_path))


async def _record(visit: Visit, reason: Reason, session: Session, previous: Live | None) -> None:
    signed_in = visit.event(
        EventKind.SIGN_IN,
        reason,
        identity=session.identity,
        account=session.account.id,
        session=session.public_id,
        replaced=previous.session.public_id if previous else None,
    )
    try:
        await visit.parts.audit.record(signed_in)
    except AuditUnavailable:
        await visit.parts.sessions.end(session.key)
        raise


def _onward(visit: Visit, cookie: str, next_path: str) -> web.Response:
    response = see_other(next_path)
    sign_off(visit, response)
    add_cookie(response, set_cookie(visit.names.session, cookie, secure=visit.names.secure))
    return response


async def _remember(visit: Visit, key: IdentityKey, standing: Standing, account: Account) -> None:
    """Where there was a choice, the choice; and that a link was used, if it was one."""
    links, facts = visit.parts.links, standing.facts
    if len(standing.accounts) > 1 and facts.preference != account.id:
        await links.prefer(key, account.id)
    if any(entry.account.id == account.id for entry in facts.links):
        await links.used(key, account.id, visit.now)
