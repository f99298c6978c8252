"""A form that somebody signed in sends: who they are, that it is ours, what it says.

    @form_on(PATH, "account")
    async def remove(visit, session, fields): ...

makes a page of `remove` that is asked only with a form of the page at `PATH`, made for this very
session, and with these fields. Whoever is not signed in, or sends anything else, gets the page that
says so, with the way back to `PATH`.
"""

from collections.abc import Awaitable, Callable
from functools import wraps

from aiohttp import web

from gateway.portal.forms import Fields, Unreadable
from gateway.portal.pages import link_to
from gateway.portal.person import not_signed_in, session_binding
from gateway.portal.refusals import refused_form
from gateway.portal.visit import Page, Visit, signed_in
from gateway.session.model import Session

Handler = Callable[[Visit, Session, Fields], Awaitable[web.Response]]
_Read = Callable[[Visit, str], Awaitable[Fields | Unreadable]]


def form_on(path: str, *expected: str) -> Callable[[Handler], Page]:
    """For a form with these fields."""
    return _form(path, lambda visit, bound_to: visit.form(bound_to, *expected))


def link_form_on(path: str) -> Callable[[Handler], Page]:
    """For the form that links an account (`Visit.link_form`)."""
    return _form(path, Visit.link_form)


def _form(path: str, read: _Read) -> Callable[[Handler], Page]:
    def made_of(handler: Handler) -> Page:
        @wraps(handler)
        async def taken(visit: Visit) -> web.Response:
            here = link_to(path, next=visit.next())
            live = await signed_in(visit)
            if live is None:
                return not_signed_in(visit, here)
            fields = await read(visit, session_binding(live.session.key))
            if isinstance(fields, Unreadable):
                return refused_form(visit, fields, here)
            visit.parts.sessions.touch(live, visit.now)
            return await handler(visit, live.session, fields)

        return taken

    return made_of
