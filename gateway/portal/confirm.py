"""A fresh proof of who somebody is, before pages that can do harm (step-up).

    _page(confirmed(settings.show, back=settings.PATH))

is all that protects a page. Who is signed in, but proved who they are longer ago than
`sessions.fresh_proof`, is asked first and comes back to where they were. What counts as a proof:

    the provider's word    an ID token of the same identity whose `auth_time` is recent enough. The
                           provider is asked to ask (`max_age`, `prompt=login`), but the browser
                           could leave both out: only what comes back counts
    the Sonar password     of the account that the session is in; Google cannot be made to ask
                           (https://developers.google.com/identity/siwg/security-bundle)

That a provider still knows somebody is no proof: so it would whoever sits down at the computer.
Nothing else changes: not the session, not its account, not the identity, whoever comes back.
"""

import structlog
from aiohttp import web

from gateway.errors import ProviderUnavailable
from gateway.identity.model import Identity, Refused
from gateway.identity.provider import ProviderClient
from gateway.identity.transaction import Transaction
from gateway.operate.audit import EventKind
from gateway.portal.forms import Fields
from gateway.portal.pages import (
    Action,
    Message,
    explain,
    face_of,
    link_to,
    refusal,
    see_other,
    token_for,
)
from gateway.portal.password_page import password_page
from gateway.portal.person import not_signed_in, session_binding
from gateway.portal.proof import NotProved, prove
from gateway.portal.session_form import form_on
from gateway.portal.trip import depart
from gateway.portal.visit import Page, Visit, signed_in
from gateway.reasons import Reason
from gateway.secret import Secret
from gateway.session.live import Live
from gateway.session.model import Session
from gateway.values import UNLIMITED

log = structlog.get_logger()

PATH = "/sso/confirm"

# What the address may make the page say after a trip to the provider that proved nothing.
_TOLD = frozenset({Reason.PROOF_TOO_OLD, Reason.PROOF_OF_ANOTHER, Reason.PROVIDER_DENIED})


def confirmed(protected: Page, *, back: str) -> Page:
    """`protected`, for who proved lately who they are; `back` is where a form of it stands. Who is
    not signed in at all is the page's own to answer."""

    async def guarded(visit: Visit) -> web.Response:
        live = await signed_in(visit)
        if live is None or await _is_fresh(visit, live):
            return await protected(visit)
        if visit.request.method in {"GET", "HEAD"}:
            return see_other(link_to(PATH, next=visit.request.path_qs))
        # What a form said is not kept while its sender may be somebody else.
        return refusal(
            visit, Reason.PROOF_STALE, Action("Confirm that it is you", link_to(PATH, next=back))
        )

    return guarded


async def show(visit: Visit) -> web.Response:
    """To the provider at once, if it can be made to ask; else, or back from there with nothing, the
    page with the Sonar password."""
    live = await signed_in(visit)
    if live is None:
        return not_signed_in(visit, visit.request.path_qs)
    if await _is_fresh(visit, live):
        return see_other(visit.next())
    provider = visit.parts.providers.get(live.session.identity.provider)
    refused, again = _refused(visit), visit.query("again") is not None
    if provider is not None and (again or refused is None):
        try:
            if again or await provider.reauthenticates():
                return await _ask(visit, provider, live.session)
        except ProviderUnavailable as error:
            log.warning("proof_by_password_only", reason=error.reason, error=str(error))
    return _form(visit, live.session, None if refused is None else NotProved(refused))


@form_on(PATH, "password")
async def confirm(visit: Visit, session: Session, fields: Fields) -> web.Response:
    """The Sonar password of the account that the session is in."""
    password = Secret(fields["password"])
    account = await prove(
        visit,
        session.identity,
        session.account.username,
        password,
        opens=session.account.id,
    )
    if not isinstance(account, NotProved) and account.id != session.account.id:
        # The username is somebody else's by now.
        account = NotProved(Reason.ACCOUNT_NOT_OFFERED)
    if isinstance(account, NotProved):
        return _form(visit, session, account)
    return await _proved(visit, session, "password", visit.next(), password_at=visit.now)


async def returned(
    visit: Visit, transaction: Transaction, outcome: Identity | Refused
) -> web.Response:
    """Back from the provider, with a proof or without."""
    live = await signed_in(visit)
    if live is None or live.session.public_id != transaction.confirms:
        return not_signed_in(visit, transaction.next)
    proved = _proof_in(visit, live.session, outcome)
    if isinstance(proved, Refused):
        event = visit.event(
            EventKind.PROOF_REFUSED,
            proved.reason,
            session=live.session,
            why=proved.detail,
        )
        visit.parts.audit.note(event)
        return see_other(link_to(PATH, next=transaction.next, refused=proved.reason))
    return await _proved(visit, live.session, "provider", transaction.next, auth_time=proved)


async def _proved(
    visit: Visit, session: Session, by: str, next_path: str, **when: float
) -> web.Response:
    await visit.parts.audit.record(visit.event(EventKind.PROOF_GIVEN, session=session, by=by))
    await visit.parts.sessions.changes.prove(session.key, **when)
    return see_other(next_path)


def _proof_in(visit: Visit, session: Session, outcome: Identity | Refused) -> float | Refused:
    """When the person of this session proved who they are, by what the provider says."""
    if isinstance(outcome, Refused):
        return outcome
    if outcome.key != session.identity.key:
        return Refused(Reason.PROOF_OF_ANOTHER, "another identity came back")
    if outcome.auth_time is None:
        return Refused(Reason.PROOF_TOO_OLD, "the provider does not say when")
    if is_stale(visit, outcome.auth_time):
        return Refused(Reason.PROOF_TOO_OLD, "auth_time is too long ago")
    return outcome.auth_time


def is_stale(visit: Visit, proved: float | None) -> bool:
    """Whether a proof of then (Unix seconds; `None`: nobody knows when) is too old by now."""
    limit = visit.parts.config.sessions.fresh_proof
    return limit < UNLIMITED and (proved is None or visit.now - proved > limit)


async def _is_fresh(visit: Visit, live: Live) -> bool:
    """By what this process knows; or by the store, as another process may know of a newer proof."""
    if not is_stale(visit, live.session.proved):
        return True
    session = await visit.parts.sessions.changes.reread(live.session.key)
    return session is not None and not is_stale(visit, session.proved)


async def _ask(visit: Visit, provider: ProviderClient, session: Session) -> web.Response:
    transaction = Transaction.begin(
        provider.name,
        visit.next(),
        visit.now,
        max_age=visit.parts.config.sessions.fresh_proof,
        confirms=session.public_id,
    )
    email = session.identity.email
    return await depart(visit, provider, transaction, login_hint=str(email) if email else None)


def _refused(visit: Visit) -> Reason | None:
    """What the address says came of the trip: one of a few words, as anybody can write an address;
    each of the others reads as the provider's trouble."""
    told = visit.query("refused")
    if told is None:
        return None
    return next((reason for reason in _TOLD if reason == told), Reason.PROVIDER_ERROR)


def _explain(reason: Reason, wait: float) -> Message:
    if reason is Reason.PASSWORD_WRONG:
        return Message(
            "The password is wrong",
            "It is the one you type on Sonar's own sign-in page. Try again.",
        )
    return explain(reason, wait)


def _form(visit: Visit, session: Session, refused: NotProved | None) -> web.Response:
    identity, next_path = session.identity, visit.next()
    provider = face_of(visit, identity.provider)
    asks = visit.parts.providers.get(identity.provider) is not None
    again = link_to(PATH, next=next_path, again="1")
    return password_page(
        visit,
        "confirm.html",
        refused,
        said=_explain,
        here=link_to(PATH, next=next_path),
        token=token_for(visit, session_binding(session.key)),
        account=session.account,
        actions=(
            *((Action(f"Confirm with {provider.label}", again),) if asks else ()),
            Action("Back to Sonar", visit.parts.config.upstream.profile_path),
        ),
    )
