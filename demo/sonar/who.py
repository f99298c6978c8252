"""Who is asking: by the gateway's assertion, by Sonar's own session cookie, or nobody.

When an assertion is valid, Sonar opens a session of its own as well, as a legacy application does
once it has seen a user. (The gateway seals that cookie, so that it dies with the gateway's.)
"""

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from urllib.parse import quote

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from demo.sonar.accounts import Accounts, SonarAccount
from demo.sonar.assertion import HEADER, Asserted, Assertions, Untrusted

COOKIE = "SONARSESSID"
# Beyond so many sessions the oldest is forgotten: clients without a cookie jar open one each time.
_MOST_SESSIONS = 10_000
_PUBLIC = ("/login", "/logout", "/favicon.ico")

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Visitor:
    """A signed-in visitor. `via` is `password` or the provider's name; `new_session` is the cookie
    value that the reply must set."""

    account: SonarAccount
    via: str
    new_session: str | None = None


@dataclass(frozen=True, slots=True)
class _SonarSession:
    account_id: int
    via: str


class Who:
    """Tells visitors apart, and keeps Sonar's own sessions, in memory."""

    def __init__(self, accounts: Accounts, assertions: Assertions) -> None:
        self._accounts = accounts
        self._assertions = assertions
        self._sessions: OrderedDict[str, _SonarSession] = OrderedDict()

    async def __call__(self, request: web.Request) -> Visitor | None:
        tokens = request.headers.getall(HEADER, [])
        session = self._sessions.get(request.cookies.get(COOKIE, ""))
        if not tokens:
            return await self._visitor(session)
        # A bad assertion is not the same as none: somebody forged it, or the set-up is wrong.
        # Falling back to the cookie would hide both.
        asserted = await self._assertions.verify(tokens[0]) if len(tokens) == 1 else _TWO
        if isinstance(asserted, Untrusted):
            _log.warning("sonar_assertion_refused", why=asserted.why)
            return None
        if session is not None and session.account_id == asserted.account_id:
            return await self._visitor(session)
        return await self._newcomer(asserted)

    def open_session(self, account: SonarAccount, via: str) -> str:
        """Open one of Sonar's own sessions; the cookie's value."""
        value = secrets.token_hex(16)
        self._sessions[value] = _SonarSession(account.id, via)
        if len(self._sessions) > _MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return value

    def end_session(self, request: web.Request) -> None:
        self._sessions.pop(request.cookies.get(COOKIE, ""), None)

    async def _visitor(self, session: _SonarSession | None) -> Visitor | None:
        if session is None:
            return None
        account = await self._accounts.by_id(session.account_id)
        return None if account is None else Visitor(account, session.via)

    async def _newcomer(self, asserted: Asserted) -> Visitor | None:
        account = await self._accounts.by_id(asserted.account_id)
        if account is None:
            return None
        session = self.open_session(account, asserted.provider)
        return Visitor(account, asserted.provider, session)


_TWO = Untrusted("more than one assertion")
WHO = web.AppKey("who", Who)
VISITOR = web.RequestKey("visitor", Visitor)


@web.middleware
async def require_visitor(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let strangers see public pages only; tell handlers of the others who is asking."""
    if request.path in _PUBLIC or request.path.startswith("/static/"):
        return await handler(request)
    visitor = await request.app[WHO](request)
    if visitor is None:
        return _not_signed_in(request)
    request[VISITOR] = visitor
    return await handler(request)


async def set_session_cookie(request: web.Request, response: web.StreamResponse) -> None:
    """As the head of a reply goes out, files and WebSockets included: the new session's cookie."""
    visitor = request.get(VISITOR)
    if visitor is not None and visitor.new_session is not None:
        response.headers.add("Set-Cookie", session_cookie(visitor.new_session))


def session_cookie(value: str) -> str:
    return f"{COOKIE}={value}; Path=/; HttpOnly"


def expired_cookie() -> str:
    return f"{COOKIE}=; Path=/; HttpOnly; Max-Age=0"


def _not_signed_in(request: web.Request) -> web.Response:
    headers = request.headers
    program = (
        request.path.startswith("/api/")
        or headers.get("X-Requested-With") == "XMLHttpRequest"
        or headers.get("Upgrade", "").lower() == "websocket"
    )
    if program:
        return web.json_response({"error": "not_signed_in"}, status=401)
    raise web.HTTPFound(f"/login?return_to={quote(request.path_qs, safe='')}")
