"""Where a sign-in, or a change of account, becomes a session. Nowhere else."""

from aiohttp import web

from gateway.account.model import Account
from gateway.identity.model import Identity, IdentityKey
from gateway.operate.audit import EventKind
from gateway.portal.candidates import Standing
from gateway.portal.pages import see_other
from gateway.portal.visit import Visit, add_cookie, browser_session, sign_off
from gateway.reasons import Reason
from gateway.session.cookie import set_cookie


async def complete(
    visit: Visit,
    identity: Identity,
    standing: Standing,
    account: Account,
    reason: Reason,
    next_path: str,
) -> web.Response:
    """Sign this browser in to `account` and go on to `next_path`.

    The session id is always a new one, so that an id planted before the sign-in is worth nothing
    after it (session fixation), and the browser's previous session ends, whoever's it was. What is
    remembered is written first: should a store fail, nobody is half signed in.
    """
    await _remember(visit, identity.key, standing, account)
    previous = await browser_session(visit)
    cookie, session = await visit.parts.sessions.create(
        identity, account, standing.policy, visit.now
    )
    if previous is not None:
        await visit.parts.sessions.end(previous.session.key)
    visit.parts.counters.sign_ins[reason] += 1
    signed_in = visit.event(
        EventKind.SIGN_IN,
        reason,
        identity=identity,
        account=account.id,
        session=session.public_id,
        replaced=previous.session.public_id if previous else None,
    )
    await visit.parts.audit.record(signed_in)
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
