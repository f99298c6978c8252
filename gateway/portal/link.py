"""No account found, or another one wanted: prove it with its password, once, and it is linked."""

from aiohttp import web

from gateway.account.model import CONTACT, Account, Link, News
from gateway.account.resolution import Refuse
from gateway.explanations import EXPLANATIONS
from gateway.identity.model import Identity
from gateway.operate.audit import EventKind
from gateway.portal.candidates import stand
from gateway.portal.completion import complete
from gateway.portal.forms import USED, Unreadable
from gateway.portal.pages import (
    STATUS,
    Action,
    another_identity,
    explain,
    face_of,
    page,
    password_action,
    refusal,
    retry_after,
    start_over,
    token_for,
)
from gateway.portal.person import Person, leave, spend, who_is_there
from gateway.portal.proof import NotProved, prove
from gateway.portal.refusals import refused_form, refused_identity, used_transaction
from gateway.portal.visit import Visit, claim_form
from gateway.reasons import Reason
from gateway.secret import Secret

PATH = "/sso/link"

# One account with more contact addresses is a list of people, and every link a mailing.
_MOST_LETTERS = 5


async def show(visit: Visit) -> web.Response:
    person = await who_is_there(visit)
    if isinstance(person, web.Response):
        return person
    standing = await stand(visit, person.identity)
    if isinstance(standing, Refuse):
        return refused_identity(visit, person.identity, standing, person.next)
    return _form(visit, person)


async def link(visit: Visit) -> web.Response:
    """The password first, then the transaction: a slip of the finger does not cost the sign-in,
    and the throttle, not the transaction, is what stops guessing."""
    person = await who_is_there(visit)
    if isinstance(person, web.Response):
        return person
    fields = await visit.link_form(person.bound_to)
    if isinstance(fields, Unreadable):
        return refused_form(visit, fields, person.page(PATH), start_over(person.next))
    refused = await stand(visit, person.identity)
    if isinstance(refused, Refuse):
        return refused_identity(visit, person.identity, refused, person.next)
    username = fields["username"].strip()
    account = await prove(visit, person.identity.key, username, Secret(fields["password"]))
    if isinstance(account, NotProved):
        return _form(visit, person, account, username)
    if not await spend(visit, person):
        return used_transaction(visit, person.next)
    if not await claim_form(visit, fields):
        return refused_form(visit, USED, person.page(PATH))
    await add_link(visit, person.identity, account)
    standing = await stand(visit, person.identity)
    if isinstance(standing, Refuse):
        return refused_identity(visit, person.identity, standing, person.next)
    linked = standing.account(account.id)
    if linked is None:
        visit.parts.audit.note(
            visit.event(
                EventKind.CHOICE_REFUSED, Reason.ACCOUNT_NOT_OFFERED, identity=person.identity
            )
        )
        return refusal(visit, Reason.ACCOUNT_NOT_OFFERED, start_over(person.next))
    response = await complete(
        visit, person.identity, standing, linked, Reason.PROVED, person.next, person.came
    )
    return leave(visit, person, response)


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
    response = page(
        visit,
        "link.html",
        status=200 if refused is None else STATUS.get(refused.reason, 403),
        here=person.page(PATH),
        token=token_for(visit, person.bound_to),
        provider=face_of(visit, person.identity.provider),
        email=person.identity.email,
        why=None if person.why is None else EXPLANATIONS[person.why],
        message=None if refused is None else explain(refused.reason, refused.wait),
        username=username,
        actions=_ways(visit, person),
    )
    return response if refused is None else retry_after(response, refused.wait)


def _ways(visit: Visit, person: Person) -> tuple[Action, ...]:
    another = another_identity(visit, person.identity.provider, person.next)
    if person.session is None:
        return (another, password_action(visit, person.next))
    return (Action("Back to your accounts", person.page("/sso/accounts")), another)
