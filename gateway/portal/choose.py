"""Several accounts: which one. On the way in, and later to switch, without the provider."""

from aiohttp import web

from gateway.account.resolution import Refuse
from gateway.portal.candidates import Standing, stand
from gateway.portal.completion import complete
from gateway.portal.forms import Unreadable
from gateway.portal.pages import (
    Action,
    another_identity,
    face_of,
    page,
    password_action,
    see_other,
    start_over,
    token_for,
)
from gateway.portal.person import Person, leave, spend, who_is_there
from gateway.portal.refusals import (
    refused_choice,
    refused_form,
    refused_identity,
    used_transaction,
)
from gateway.portal.visit import Visit
from gateway.reasons import Reason

PATH = "/sso/accounts"


async def show(visit: Visit) -> web.Response:
    person = await who_is_there(visit)
    if isinstance(person, web.Response):
        return person
    standing = await stand(visit, person.identity)
    if isinstance(standing, Refuse):
        return refused_identity(visit, person.identity, standing, person.next)
    return _chooser(visit, person, standing)


async def choose(visit: Visit) -> web.Response:
    """The chosen account must be one of those worked out now, whatever the form says."""
    person = await who_is_there(visit)
    if isinstance(person, web.Response):
        return person
    fields = await visit.form(person.bound_to, "account")
    if isinstance(fields, Unreadable):
        return refused_form(visit, fields, person.page(PATH), start_over(person.next))
    standing = await stand(visit, person.identity)
    if isinstance(standing, Refuse):
        return refused_identity(visit, person.identity, standing, person.next)
    account = standing.account(fields["account"])
    if account is None:
        again = Action("Choose again", person.page(PATH))
        return refused_choice(visit, person.identity, again)
    if person.session is not None and person.session.account.id == account.id:
        return see_other(person.next)
    if not await spend(visit, person):
        return used_transaction(visit, person.next)
    response = await complete(
        visit, person.identity, standing, account, Reason.CHOSEN, person.next, person.came
    )
    return leave(visit, person, response)


def _chooser(visit: Visit, person: Person, standing: Standing) -> web.Response:
    return page(
        visit,
        "choose.html",
        here=person.page(PATH),
        token=token_for(visit, person.bound_to),
        provider=face_of(visit, person.identity.provider),
        email=person.identity.email,
        accounts=standing.accounts,
        current=person.session.account.id if person.session else None,
        preference=standing.facts.preference,
        actions=_ways(visit, person),
    )


def _ways(visit: Visit, person: Person) -> tuple[Action, ...]:
    another = (
        Action("Use another Sonar account", person.page("/sso/link")),
        another_identity(visit, person.identity.provider, person.next),
    )
    if person.session is None:
        return (*another, password_action(visit, person.next))
    return (*another, Action("Settings", "/sso/settings"), Action("Back to Sonar", person.next))
