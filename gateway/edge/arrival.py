"""Somebody signs in on Sonar's own page, with the Sonar password, and may have something to hear:
that their account has got a new link.

Who comes that way passes through; which account it is only the form says, on its way to Sonar. So
of a form that is sent to the sign-in page, and of nothing else, a copy is kept until Sonar answers.

Strategy
    take      each part of the form, on its way
    passes    each part of the reply: it goes on at once, but for one that lets somebody in for whom
              there may be news (the herald knows, from memory). That one waits until it is whole,
              for a moment: browsers follow a redirect when they have its head
    told      then the herald looks closely, password and all. Is there news, the browser is sent to
              the page that tells it, and from there to where Sonar would have sent it, with every
              cookie that Sonar gives it. Else it gets the reply as it was

Rules
    Nothing that Sonar gets is changed, nor when it gets it.
    A failed sign-in is answered as Sonar answers it. By the reply alone nobody can be sure that one
    has not failed, and what is told tells that a name exists: the herald, who looks at the password
    itself, has the last word.
    Whatever goes wrong here, and whatever takes too long, the browser gets Sonar's reply.
    The form is forgotten as soon as it is known that nobody needs it.
"""

import asyncio
from typing import Protocol
from urllib.parse import quote, unquote_to_bytes

import structlog

from gateway.edge.answer import Answer
from gateway.edge.headers import Outbound, browser_head, leads_to_login, own_place
from gateway.edge.inbound import Inbound
from gateway.edge.names import without
from gateway.edge.rules import Rules
from gateway.edge.shared import Shared
from gateway.errors import Unavailable
from gateway.identity.next_path import safe_next
from gateway.secret import Secret
from gateway.settings.upstream import LoginFields

_log = structlog.get_logger()

NOTICES_PATH = "/sso/notices"

# A username and a password, and what Sonar keeps in hidden fields.
_LONGEST_FORM = 16 * 1024
# A redirect is some hundred bytes; one that is longer goes on as it is.
_LONGEST_REPLY = 64 * 1024
# Of an answer that a person waits for: a password is looked at in less than half a second.
_PATIENCE = 2.0
_FORM = b"application/x-www-form-urlencoded"
_ABOUT_THE_BODY = frozenset("content-encoding content-language content-type etag".split())


class Herald(Protocol):
    """Knows who has something to hear (account/herald.py)."""

    def expects(self, username: str) -> bool:
        """Whether there may be news for who types this username. At once."""

    async def greet(self, username: str, password: Secret, cookie_header: str) -> str | None:
        """What the browser that sends `cookie_header` from now on is given, as a `Set-Cookie`
        value, to hear the news; `None`: nothing. May raise `Unavailable`."""


def arriving(inbound: Inbound, shared: Shared) -> "Arrival | None":
    """The arrival that this request may become: a person sends a form to Sonar's sign-in page."""
    length = inbound.fields.framing.length
    if inbound.method != "POST" or inbound.path != shared.rules.login_path:
        return None
    if not inbound.navigation or not length or length > _LONGEST_FORM or not _is_form(inbound):
        return None
    herald = shared.herald()
    return None if herald is None else Arrival(inbound, shared, herald)


class Arrival:
    """`waiting`: Sonar's reply is withheld until `told`."""

    __slots__ = (
        "_form",
        "_herald",
        "_inbound",
        "_next",
        "_reply",
        "_shared",
        "_typed",
        "_until",
        "waiting",
    )

    def __init__(self, inbound: Inbound, shared: Shared, herald: Herald) -> None:
        self.waiting = False
        self._inbound = inbound
        self._shared = shared
        self._herald = herald
        self._form: bytearray | None = bytearray()
        self._reply = bytearray()
        self._typed: tuple[str, Secret] | None = None
        self._next = "/"
        self._until = 0.0

    def take(self, data: bytes) -> None:
        """A part of the form, which goes to Sonar."""
        if self._form is not None:
            self._form += data

    def passes(self, answer: Answer, out: bytes) -> bytes:
        """What the browser gets now, of `out` and of what was withheld."""
        if answer.begun and self._form is not None:
            self.waiting = self._is_news(answer)
            self._form = None
        if not self.waiting:
            return out
        self._reply += out
        return b"" if len(self._reply) <= _LONGEST_REPLY else self.give_up()

    @property
    def patience(self) -> float:
        """How long, in seconds, Sonar's reply is waited for."""
        return max(0.0, self._until - self._shared.clock())

    def give_up(self) -> bytes:
        """What was withheld; the rest follows as it comes."""
        self.waiting, self._typed = False, None
        return bytes(self._reply)

    async def told(self, answer: Answer) -> bytes:
        """What the browser gets, when Sonar's reply is whole."""
        reply = answer.reply
        if reply is None:
            return bytes(self._reply)
        cookie = await self._greeting(_sent_from_now_on(reply, self._inbound, self._shared.rules))
        if cookie is None:
            return bytes(self._reply)
        answer.sent = 0
        where = f"{NOTICES_PATH}?next={quote(self._next, safe='/')}"
        fields = without(reply.fields, _ABOUT_THE_BODY | {"location"})
        sent_on = reply._replace(
            fields=[
                *fields,
                (b"Location", where.encode("ascii")),
                (b"Set-Cookie", cookie.encode("ascii")),
            ],
            length=0,
        )
        return browser_head(sent_on, self._inbound.minor, keep_alive=answer.keep_alive)

    async def _greeting(self, cookies: str) -> str | None:
        """What the herald says, or nothing if that takes too long. It is not cancelled then: that
        may take as long as the database that it waits for."""
        heard: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._shared.later(self._ask(heard, cookies))
        await asyncio.wait({heard}, timeout=_PATIENCE)
        if heard.done():
            return heard.result()
        heard.cancel()
        _log.info("notice_not_told", error="no answer in time")
        return None

    async def _ask(self, heard: "asyncio.Future[str | None]", cookies: str) -> None:
        cookie: str | None = None
        try:
            if self._typed is not None:
                cookie = await self._herald.greet(*self._typed, cookies)
        except Unavailable as error:
            _log.info("notice_not_told", error=str(error))
        except Exception:
            # A sign-in that Sonar has let in must not fail for want of this.
            _log.exception("notice_not_told")
        if not heard.done():
            heard.set_result(cookie)

    def _is_news(self, answer: Answer) -> bool:
        """Whether Sonar lets somebody in who may have something to hear."""
        form, reply, rules = self._form, answer.reply, self._shared.rules
        if not form or reply is None:
            return False
        where = _led_on(reply, self._inbound, rules)
        if where is None:
            return False
        typed = read_typed(bytes(form), self._shared.config.upstream.login_fields)
        if typed is None or not self._herald.expects(typed[0]):
            return False
        self._typed, self._next = typed, where
        self._until = self._shared.clock() + _PATIENCE
        return True


def _led_on(reply: Outbound, inbound: Inbound, rules: Rules) -> str | None:
    """Where in our own origin Sonar sends a browser that it has let in, by the look of it: away
    from the sign-in page, with a session. `None`: it has not, or it leads elsewhere."""
    if reply.status not in {302, 303} or leads_to_login(reply.location, inbound, rules):
        return None
    place = own_place(reply.location, inbound, rules)
    if place is None or not (_given(reply, rules) or inbound.fields.password_user):
        return None
    there = place._replace(scheme="", netloc="", fragment="").geturl()
    return safe_next(there, str(rules.public), (rules.login_path, rules.logout_path))


def _given(reply: Outbound, rules: Rules) -> list[bytes]:
    """The session cookies that Sonar gives, `name=value` each."""
    pairs = [
        value.partition(b";")[0].strip(b" \t")
        for name, value in reply.fields
        if name.lower() == b"set-cookie"
    ]
    return [pair for pair in pairs if _name(pair) in rules.cookies.legacy]


def _name(pair: bytes) -> bytes:
    return pair.partition(b"=")[0].strip(b" \t")


def _sent_from_now_on(reply: Outbound, inbound: Inbound, rules: Rules) -> str:
    """The Cookie header of this browser with the sessions that Sonar gives it."""
    given = _given(reply, rules)
    renewed = frozenset(map(_name, given))
    before = (pair.strip(b" \t") for pair in inbound.fields.cookies.header.split(b";"))
    stay = [pair for pair in before if pair and _name(pair) not in renewed]
    return b"; ".join([*stay, *given]).decode("utf-8", "surrogateescape")


def read_typed(form: bytes, fields: LoginFields) -> tuple[str, Secret] | None:
    """The username and the password in a form, `None` unless each is there once.

    >>> read_typed(b"username=jo&password=a%20b", LoginFields())[0]
    'jo'
    """
    found: dict[str, list[str]] = {fields.username: [], fields.password: []}
    for pair in form.split(b"&"):
        name, _, value = pair.partition(b"=")
        known = found.get(_text(name))
        if known is not None:
            known.append(_text(value))
    usernames, passwords = found[fields.username], found[fields.password]
    if len(usernames) != 1 or len(passwords) != 1 or not usernames[0].strip():
        return None
    return usernames[0].strip(), Secret(passwords[0])


def _text(encoded: bytes) -> str:
    """In the encoding of the page that the form was on: one that is not UTF-8 is, to browsers,
    Windows-1252 (https://encoding.spec.whatwg.org/#names-and-labels)."""
    octets = unquote_to_bytes(encoded.replace(b"+", b" "))
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("cp1252", "replace")


def _is_form(inbound: Inbound) -> bool:
    kinds = [value for name, value in inbound.fields.passing if name.lower() == b"content-type"]
    return len(kinds) == 1 and kinds[0].partition(b";")[0].strip().lower() == _FORM
