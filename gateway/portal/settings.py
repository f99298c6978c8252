"""One's own links and matches: see them, add one, remove one, turn a removed one on again."""

from dataclasses import dataclass

from aiohttp import web

from gateway.account.model import Account
from gateway.account.resolution import Refuse
from gateway.identity.model import Identity
from gateway.operate.audit import EventKind
from gateway.portal.candidates import Standing, stand
from gateway.portal.forms import USED, Fields
from gateway.portal.link import add_link
from gateway.portal.pages import (
    SETTINGS,
    Action,
    another_identity,
    face_of,
    link_to,
    see_other,
    token_for,
)
from gateway.portal.password_page import password_page
from gateway.portal.person import not_signed_in, session_binding
from gateway.portal.proof import NotProved, prove
from gateway.portal.refusals import refused_choice, refused_form, refused_identity
from gateway.portal.session_form import form_on, link_form_on
from gateway.portal.visit import Visit, sign_off, signed_in, use_up_form
from gateway.secret import Secret
from gateway.session.model import Session, link_label

PATH = SETTINGS

# What a page says after a redirect; the address names one of these and cannot say anything else.
_DONE = {
    "added": "The account is linked. Your sign-in opens it from now on.",
    "removed": "The account is removed. Your sign-in no longer opens it.",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """An account this identity opens: linked `since` (Unix seconds), or matched by its email
    (`since` is `None`). `email`: the identity's address then, and now for a match."""

    account: Account
    email: str
    since: float | None
    last_used: float | None


@dataclass(frozen=True, slots=True)
class Removed:
    """An account this person took away from this identity, `when` in Unix seconds."""

    account: Account
    when: float


async def show(visit: Visit) -> web.Response:
    live = await signed_in(visit)
    if live is None:
        return not_signed_in(visit, PATH)
    visit.parts.sessions.touch(live, visit.now)
    return await _page(visit, live.session)


@link_form_on(PATH)
async def add(visit: Visit, session: Session, fields: Fields) -> web.Response:
    """Link one more account, or one that was removed, by its password."""
    standing = await stand(visit, session.identity)
    if isinstance(standing, Refuse):
        return refused_identity(visit, session.identity, standing, "/")
    username = fields["username"].strip()
    account = await prove(visit, session.identity, username, Secret(fields["password"]))
    if isinstance(account, NotProved):
        return await _page(visit, session, account, username)
    if not await use_up_form(visit, fields):
        return refused_form(visit, USED, PATH)
    await add_link(visit, session.identity, account)
    return see_other(link_to(PATH, done="added"))


@form_on(PATH, "account")
async def remove(visit: Visit, session: Session, fields: Fields) -> web.Response:
    """Take an account away from this identity: the link, and the match with it, and every session
    they opened. The password brings it back."""
    identity, account_id = session.identity, fields["account"]
    standing = await stand(visit, identity)
    if isinstance(standing, Refuse):
        return refused_identity(visit, identity, standing, "/")
    if all(entry.account.id != account_id for entry in _entries(standing, identity)):
        return refused_choice(visit, identity, Action("Back to settings", PATH))
    await visit.parts.links.remove(identity.key, account_id, visit.now)
    ended: int | None = None
    try:
        ended = await visit.parts.sessions.end_labelled(link_label(identity.key, account_id))
    finally:
        # The link is gone, and its sessions with it, whatever the session store answers.
        removed = visit.event(
            EventKind.LINK_REMOVED,
            session=session,
            account=account_id,
            sessions_ended=ended,
        )
        visit.parts.audit.note(removed)
    if session.account.id != account_id:
        return see_other(link_to(PATH, done="removed"))
    response = see_other(link_to("/sso/logout", provider=identity.provider))
    sign_off(visit, response)
    return response


async def _page(
    visit: Visit, session: Session, refused: NotProved | None = None, username: str = ""
) -> web.Response:
    identity = session.identity
    standing = await stand(visit, identity)
    if isinstance(standing, Refuse):
        return refused_identity(visit, identity, standing, "/")
    return password_page(
        visit,
        "settings.html",
        refused,
        token=token_for(visit, session_binding(session.key)),
        provider=face_of(visit, identity.provider),
        email=identity.email,
        current=session.account.id,
        entries=_entries(standing, identity),
        removed=await _removed(visit, identity),
        done=_DONE.get(visit.query("done") or ""),
        username=username,
        actions=(
            another_identity(visit, identity.provider, PATH),
            Action("Sign out", "/sso/logout"),
            Action("Back to Sonar", visit.parts.config.upstream.profile_path),
        ),
    )


def _entries(standing: Standing, identity: Identity) -> tuple[Entry, ...]:
    """Links first, inactive ones too, so that they can be removed; then matches."""
    linked = [
        Entry(entry.account, entry.link.email, entry.link.created, entry.link.last_used)
        for entry in standing.facts.links
    ]
    known = {entry.account.id for entry in linked}
    matched = [
        Entry(account, str(identity.email), None, None)
        for account in standing.accounts
        if account.id not in known
    ]
    return (*linked, *matched)


async def _removed(visit: Visit, identity: Identity) -> tuple[Removed, ...]:
    """The accounts taken away; one that is gone from Sonar is not worth a line."""
    found = [
        (await visit.parts.directory.by_id(account_id), when)
        for account_id, when in (await visit.parts.links.removed_of(identity.key)).items()
    ]
    return tuple(Removed(account, when) for account, when in found if account is not None)
