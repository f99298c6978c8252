"""One request to the portal, and who is there."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from aiohttp import web

from gateway.identity.model import Identity, IdentityKey
from gateway.identity.next_path import safe_next
from gateway.identity.transaction import LIFETIME
from gateway.operate.audit import Event, EventKind
from gateway.operate.audit.event import Detail
from gateway.policy.model import Policies
from gateway.portal.forms import TOKEN, Fields, Unreadable, read_form
from gateway.portal.parts import PORTAL, Portal
from gateway.reasons import Reason
from gateway.session.cookie import (
    SEALED_PREFIX,
    CookieNames,
    cookie_pairs,
    cookies_in,
    sign_off_cookies,
)
from gateway.session.live import Live
from gateway.session.model import Session

# Longer than a transaction opens, whatever our machines' clocks make of its age.
_USED_UP_FOR = 2 * LIFETIME


@dataclass(frozen=True, slots=True)
class Visit:
    """A request with the time and the policies it is judged by, both taken once, and its `cookies`
    by name, read as the edge reads them and not as aiohttp does."""

    request: web.Request
    parts: Portal
    now: float
    policies: Policies
    cookies: Mapping[str, str]

    @property
    def request_id(self) -> str:
        """The edge's id of this request: for the log, and for the person to quote."""
        return self.request.headers.get("X-Request-ID", "")

    @property
    def cookie_header(self) -> str:
        """The Cookie header as it came; empty for none."""
        return _cookie_header(self.request)

    @property
    def address(self) -> str:
        """The client's address as the edge found it; nobody but the edge can say it here."""
        return self.request.headers.get("X-Forwarded-For", "")

    @property
    def origin(self) -> str:
        return self.parts.config.server.public_url

    @property
    def names(self) -> CookieNames:
        return CookieNames(self.parts.config.server.secure)

    def query(self, name: str) -> str | None:
        """The one value of a query parameter; two values are no value, not a choice."""
        values = self.request.query.getall(name, [])
        return values[0] if len(values) == 1 else None

    def next(self) -> str:
        """Where the person meant to go: a path of our own origin, `/` when unsure."""
        return self.place(self.query("next"))

    def place(self, address: str | None) -> str:
        """An address as a place to go on to after a sign-in, `/` when it is none."""
        upstream = self.parts.config.upstream
        return safe_next(address, self.origin, (upstream.login_path, upstream.logout_path))

    def event(
        self,
        kind: EventKind,
        reason: Reason | None = None,
        *,
        session: Session | None = None,
        identity: Identity | IdentityKey | None = None,
        account: str | None = None,
        provider: str | None = None,
        **detail: Detail,
    ) -> Event:
        """What happened in this request, for the audit. In a session it concerns the session's
        identity and account, unless it names others."""
        if session is not None:
            identity = session.identity if identity is None else identity
            account = session.account.id if account is None else account
        return Event(
            kind,
            reason,
            identity,
            account=account,
            address=self.address or None,
            request_id=self.request_id or None,
            session=None if session is None else session.public_id,
            provider=provider,
            detail=detail,
        )

    async def form(self, bound_to: str, *expected: str) -> Fields | Unreadable:
        """A form of ours, of a page however old."""
        return await self._form(bound_to, expected, None)

    async def link_form(self, bound_to: str) -> Fields | Unreadable:
        """The form that links an account, of a page no older than a sign-in may take; for
        `use_up_form` with its token."""
        since = self.now - LIFETIME
        fields = await self._form(bound_to, ("username", "password"), since)
        if isinstance(fields, Unreadable):
            return fields
        token = parse_qs((await self.request.read()).decode("ascii"))[TOKEN][0]
        return {**fields, TOKEN: token}

    async def _form(
        self, bound_to: str, expected: tuple[str, ...], since: float | None
    ) -> Fields | Unreadable:
        return await read_form(
            self.request,
            self.parts.sealer,
            bound_to=bound_to,
            origin=self.origin,
            expected=frozenset(expected),
            since=since,
        )


Page = Callable[[Visit], Awaitable[web.Response]]

VISIT = web.RequestKey("visit", Visit)


def open_visit(request: web.Request) -> Visit:
    """Once a request; it stands under `VISIT` then."""
    parts = request.app[PORTAL]
    cookies = cookies_in(_cookie_header(request))
    return Visit(request, parts, parts.clock(), parts.policies(), cookies)


def _cookie_header(request: web.Request) -> str:
    return "; ".join(request.headers.getall("Cookie", ()))


async def browser_session(visit: Visit) -> Live | None:
    """The session this browser's cookie belongs to, whether or not it may be used."""
    cookie = visit.cookies.get(visit.names.session)
    return None if cookie is None else await visit.parts.sessions.of_browser(cookie, visit.now)


async def signed_in(visit: Visit) -> Live | None:
    """The session of this browser, if its policy still allows it.

    The edge asks the policy too, with the same answer: were they to differ, somebody whose domain
    was turned off would be sent to and fro between the sign-in page and the page they asked for.
    """
    cookie = visit.cookies.get(visit.names.session)
    live = None if cookie is None else await visit.parts.sessions.read(cookie, visit.now)
    if live is None or live.session.identity.email is None:
        return None
    identity = live.session.identity
    if visit.policies.refusal(live.session.identity.email, identity.provider) is not None:
        return None
    return live


def has_own_session(visit: Visit) -> bool:
    """Whether the browser has a session of Sonar's own: that of a password user."""
    sonar = {cookie.name for cookie in visit.parts.config.upstream.session_cookies}
    return any(
        name in sonar and value and not value.startswith(SEALED_PREFIX)
        for name, value in cookie_pairs(visit.cookie_header)
    )


async def use_up(visit: Visit, transaction_id: str) -> bool:
    """Use up a transaction: True once, however often, from wherever, its answer or its form is
    sent (replay). Raises SessionsUnavailable."""
    return await visit.parts.named.first(f"tx:{transaction_id}", _USED_UP_FOR)


async def use_up_form(visit: Visit, fields: Fields) -> bool:
    """Use up the page that a link's form came from: True once, so that a browser which sends the
    form again, password and all, links nothing that was unlinked meanwhile."""
    digest = hashlib.sha256(fields[TOKEN].encode()).hexdigest()
    return await visit.parts.named.first(f"link:{digest}", _USED_UP_FOR)


def sign_off(visit: Visit, response: web.StreamResponse) -> None:
    """Make the browser forget the session, and Sonar's own cookies with it."""
    for cookie in sign_off_cookies(visit.names, visit.parts.config.upstream.session_cookies):
        add_cookie(response, cookie)


def add_cookie(response: web.StreamResponse, cookie: str) -> None:
    response.headers.add("Set-Cookie", cookie)
