"""No account found, or another one wanted: prove it with its password, once, and it is linked."""

from aiohttp import web

from gateway.account.model import CONTACT, Account, Link, News
from gateway.account.resolution import Refuse
from gateway.explanations import EXPLANATIONS
from gateway.identity.model import Identity
from gateway.operate.audit import EventKind
from gateway.portal.candidates import Standing, stand
from gateway.portal.completion import complete
from gateway.portal.confirm import confirmed, is_stale
from gateway.portal.forms import USED, Unreadable
from gateway.portal.pages import (
    Action,
    another_identity,
    face_of,
    password_action,
    start_over,
    token_for,
)
from gateway.portal.password_page import password_page
from gateway.portal.person import Person, leave, spend, who_is_there
from gateway.portal.proof import NotProved, prove
from gateway.portal.refusals import (
    refused_choice,
    refused_form,
    refused_identity,
    used_transaction,
)
from gateway.portal.visit import Page, Visit, use_up_form
from gateway.reasons import Reason
from gateway.secret import Secret

PATH = "/sso/link"

# One account with more contact addresses is a list of people, and every link a mailing.
_MOST_LETTERS = 5


async def show(visit: Visit) -> web.Response:
    return await _guarded(visit, _show)


async def link(visit: Visit) -> web.Response:
    return await _guarded(visit, _link)


async def _guarded(visit: Visit, page: Page) -> web.Response:
    """Who is signed in has to have proved lately who they are, as in their settings."""
    on_the_way_in = visit.query("tx") is not None
    return await (page if on_the_way_in else confirmed(page, back=PATH))(visit)


async def _show(visit: Visit) -> web.Response:
    person = await who_is_there(visit)
    if isinstance(person, web.Response):
        return person
    standing = await stand(visit, person.identity)
    if isinstance(standing, Refuse):
        return refused_identity(visit, person.identity, standing, person.next)
    return _form(visit, person)


async def _link(visit: Visit) -> web.Response:
    """The password first, then the transaction: a slip of the finger does not cost the sign-in,
    and the throttle, not the transaction, is what stops guessing."""
    person = await who_is_there(visit)
    if isinstance(person, web.Response):
        return person
    fields = await visit.link_form(person.bound_to)
    if isinstance(fields, Unreadable):
        return refused_form(visit, fields, person.page(PATH), start_over(person.next))
    before = await stand(visit, person.identity)
    if isinstance(before, Refuse):
        return refused_identity(visit, person.identity, before, person.next)
    username = fields["username"].strip()
    account = await prove(visit, person.identity, username, Secret(fields["password"]))
    if not isinstance(account, NotProved) and _proves_nothing(visit, person, before, account):
        visit.parts.audit.note(
            visit.event(EventKind.SIGN_IN_REFUSED, Reason.PROOF_TOO_OLD, identity=person.identity)
        )
        account = NotProved(Reason.PROOF_TOO_OLD)
    if isinstance(account, NotProved):
        return _form(visit, person, account, username)
    if not await spend(visit, person):
        return used_transaction(visit, person.next)
    if not await use_up_form(visit, fields):
        return refused_form(visit, USED, person.page(PATH))
    await add_link(visit, person.identity, account)
    standing = await stand(visit, person.identity)
    if isinstance(standing, Refuse):
        return refused_identity(visit, person.identity, standing, person.next)
    linked = standing.account(account.id)
    if linked is None:
        return refused_choice(visit, person.identity, start_over(person.next))
    response = await complete(
        visit, person.identity, standing, linked, Reason.PROVED, person.next, person.came
    )
    return leave(visit, person, response)


def _proves_nothing(visit: Visit, person: Person, standing: Standing, account: Account) -> bool:
    """Whether somebody on the way in adds an account of their own to those that the identity opens
    already. Whoever sits down at a computer, where the provider lets them in without a question,
    has one; its password would be a proof from then on, and lead to all the others."""
    if person.session is not None or not standing.accounts or standing.account(account.id):
        return False
    identity = person.identity
    return is_stale(visit, identity.auth_time) or standing.policy.demands_proof(identity, visit.now)


async def add_link(visit: Visit, identity: Identity, account: Account) -> None:
    """Remember that this identity proved this account.

    Raises AuditUnavailable, LinksUnavailable.
    """
    email = str(identity.email) if identity.email else ""
    # Recorded first: a record of a link that failed is mended by the next attempt, a link without
    # a record by nobody.
    added = visit.event(EventKind.LINK_ADDED, identity=identity, account=account.id)
    await visit.parts.audit.record(added)
    await visit.parts.links.add(
        Link(identity.key, account.id, identity.provider, email, visit.now, None),
        News(account.username, visit.address, letters_to(visit, account)),
    )


def letters_to(visit: Visit, account: Account) -> tuple[str, ...]:
    """Whom to write to: each contact address of the account, so that who added one of their own
    does not keep the news from the owner."""
    if visit.parts.config.mail is None:
        return ()
    found = dict.fromkeys(str(a.email) for a in account.addresses if a.purpose == CONTACT)
    return tuple(found)[:_MOST_LETTERS]


def _form(
    visit: Visit, person: Person, refused: NotProved | None = None, username: str = ""
) -> web.Response:
    return password_page(
        visit,
        "link.html",
        refused,
        here=person.page(PATH),
        token=token_for(visit, person.bound_to),
        provider=face_of(visit, person.identity.provider),
        email=person.identity.email,
        why=None if person.why is None else EXPLANATIONS[person.why],
        username=username,
        actions=_ways(visit, person),
    )


def _ways(visit: Visit, person: Person) -> tuple[Action, ...]:
    another = another_identity(visit, person.identity.provider, person.next)
    if person.session is None:
        return (another, password_action(visit, person.next))
    return (Action("Back to your accounts", person.page("/sso/accounts")), another)
