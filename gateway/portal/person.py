"""Who is choosing an account or proving one: somebody on the way in, or somebody signed in.

Either way the identity comes from a value this gateway sealed or stored, for this browser alone;
nothing in the address, the form or a header can name another.
"""

from dataclasses import dataclass

from aiohttp import web

from gateway.identity.model import Identity, Refused
from gateway.identity.transaction import Proven
from gateway.portal.pages import link_to, refusal, see_other, start_over
from gateway.portal.recall import is_recalled
from gateway.portal.refusals import refused_recalled, refused_transaction
from gateway.portal.visit import Visit, add_cookie, signed_in, use_up
from gateway.reasons import Reason
from gateway.session.model import Session


@dataclass(frozen=True, slots=True)
class Person:
    """`came` is the transaction of somebody on the way in, or the session of somebody here."""

    identity: Identity
    next: str
    came: Proven | Session

    @property
    def bound_to(self) -> str:
        """What a form of this person is bound to: one transaction, or one session."""
        match self.came:
            case Proven(id=transaction):
                return f"transaction:{transaction}"
            case Session(key=key):
                return session_binding(key)

    @property
    def why(self) -> Reason | None:
        """Why somebody on the way in is asked."""
        return self.came.reason if isinstance(self.came, Proven) else None

    @property
    def session(self) -> Session | None:
        return self.came if isinstance(self.came, Session) else None

    def page(self, path: str) -> str:
        """The address of a page for this same person."""
        if isinstance(self.came, Proven):
            return link_to(path, tx=self.came.id)
        return link_to(path, next=self.next)


def session_binding(key: str) -> str:
    """What a form of somebody signed in is bound to."""
    return f"session:{key}"


async def who_is_there(visit: Visit) -> Person | web.Response:
    """Who asks for this page, or the answer when nobody may: a page that says why, or, for
    somebody who opens it without being signed in, the way to the sign-in page and back."""
    transaction = visit.query("tx")
    if transaction is not None:
        proven = visit.parts.transactions.proven(transaction, visit.cookies, visit.now)
        if isinstance(proven, Refused):
            return refused_transaction(visit, proven, transaction)
        if await is_recalled(visit, proven.identity, proven.started):
            return refused_recalled(visit, proven.identity, proven.next)
        return Person(proven.identity, proven.next, proven)
    live = await signed_in(visit)
    if live is None:
        return not_signed_in(visit, visit.request.path_qs)
    visit.parts.sessions.touch(live, visit.now)
    return Person(live.session.identity, visit.next(), live.session)


def not_signed_in(visit: Visit, page: str) -> web.Response:
    """The sign-in page, and back to `page`; but a form is told that it was not taken."""
    if visit.request.method == "POST":
        return refusal(visit, Reason.SESSION_EXPIRED, start_over(page))
    return see_other(link_to("/sso/login", next=page))


async def spend(visit: Visit, person: Person) -> bool:
    """Use up the transaction of somebody on the way in; a session's forms may be sent again."""
    return isinstance(person.came, Session) or await use_up(visit, person.came.id)


def leave(visit: Visit, person: Person, response: web.Response) -> web.Response:
    """Take the used-up transaction out of the browser."""
    if isinstance(person.came, Proven):
        add_cookie(response, visit.parts.transactions.drop(person.came.id))
    return response
