"""Tells who signs in with the Sonar password alone that there is news of their account.

The edge asks twice. `expects`, at each sign-in on Sonar's own page, is answered from memory: the
usernames of the accounts that have notices, looked up in the gateway's database every few seconds,
and none while it does not answer. `greet`, for one of these whom Sonar has let in, looks closely.

That Sonar let somebody in is the edge's guess by the look of a reply. So nothing is told unless the
password is right by our own look at it, as for a link: were the guess ever wrong, the edge would
tell anybody which names exist and have news.

Nor may it be wrong as often as somebody likes: many a Sonar leads whoever has a session of it away
from the sign-in page, whatever they type there, and they could try one password after the other of
whom they please, seen by no Sonar. So wrong ones are throttled here, apart from those of links: a
guesser at one must not keep the owner from the other.
"""

import hashlib
import time
from collections.abc import Callable

import structlog

from gateway.account.directory import Directory
from gateway.account.model import Account, Reader, folded
from gateway.account.notices import Notices
from gateway.account.password_reader import PasswordReader, PasswordReaders
from gateway.errors import DirectoryUnavailable, LinksUnavailable
from gateway.secret import Secret
from gateway.session.store import NamedStore
from gateway.session.store.attempts import Throttle
from gateway.tasks import Rounds

_log = structlog.get_logger()

# How soon a new notice is known of. Who signs in sooner after a link hears of it the next time.
_LOOK_EVERY = 2.0
# As many usernames as are remembered, some hundred bytes each; the accounts that were linked last.
_MOST_NAMES = 50_000
# Rows of one look at a time, so that requests go on between.
_PIECE = 1000
# Processes' clocks differ and transactions take a moment: of two notices the one that bears the
# earlier time may come later by this much.
_LATE = 120.0
_BEGINNING = (0.0, "")
# Seconds after the link. Who keeps no cookies has to say each day that it is fine, and there is an
# end to that.
TOLD_FOR = 90 * 86400.0


class Herald:
    """`await start()`, `await stop()`. `named`: where wrong passwords are counted, which `throttle`
    makes wait. `clock` in Unix seconds, `look_every` in seconds."""

    def __init__(
        self,
        directory: Directory,
        notices: Notices,
        readers: PasswordReaders,
        named: NamedStore,
        throttle: Throttle,
        *,
        look_every: float = _LOOK_EVERY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._directory = directory
        self._notices = notices
        self._readers = readers
        self._named = named
        self._throttle = throttle
        self._clock = clock
        # Of a dict the oldest entry is the first.
        self._names: dict[str, None] = {}
        self._seen = _BEGINNING
        failed = lambda: _log.exception("notices_failed")  # noqa: E731
        self._rounds = Rounds(self._look_again, look_every, failed, at_once=True)

    async def start(self) -> None:
        self._rounds.start()

    async def stop(self) -> None:
        await self._rounds.stop()

    def expects(self, username: str) -> bool:
        """Whether there may be news for who types this username."""
        return folded(username) in self._names

    async def greet(self, username: str, password: Secret, cookie_header: str) -> str | None:
        """The `Set-Cookie` value with which the portal's notices are told to this browser, which
        sends `cookie_header` from now on; `None` when there is nothing to tell, or the password is
        wrong.

        Raises DirectoryUnavailable, LinksUnavailable, SessionsUnavailable.
        """
        meant = await self._directory.by_username(username)
        if meant is None:
            return None
        browser = self._readers.browser(self._readers.cookie_in(cookie_header))
        now = self._clock()
        reader = Reader.of_browser(browser)
        if not await self._notices.unread(meant.id, reader, since=now - TOLD_FOR):
            return None
        account = await self._verified(meant, username, password)
        if account is None or account.id != meant.id or not account.active:
            return None
        sonar = self._readers.sonar(cookie_header)
        return self._readers.keep(PasswordReader(browser, account.id, now, sonar))

    async def _verified(self, meant: Account, username: str, password: Secret) -> Account | None:
        """Whose password it is; nobody's while there were too many wrong ones. Counted before it is
        looked at: many at once get no more tries than one after the other."""
        attempts = f"password:notice:{hashlib.sha256(meant.id.encode()).hexdigest()}"
        if await self._named.attempt(attempts, self._throttle) > 0:
            _log.info("notice_not_told", error="too many wrong passwords", account=meant.id)
            return None
        try:
            account = await self._directory.verify(username, password)
        except DirectoryUnavailable:
            await self._named.pardon(attempts)
            raise
        if account is not None:
            await self._named.forget(attempts)
        return account

    async def look(self) -> None:
        """Learn which accounts have got notices since the last look. Raises LinksUnavailable."""
        after = (self._seen[0] - _LATE, "")
        while True:
            mentions = await self._notices.mentions(after, _PIECE)
            for mention in mentions:
                name = folded(mention.username)
                self._names.pop(name, None)
                self._names[name] = None
                after = self._seen = (mention.created, mention.id)
            while len(self._names) > _MOST_NAMES:
                del self._names[next(iter(self._names))]
            if len(mentions) < _PIECE:
                return

    async def _look_again(self) -> None:
        try:
            await self.look()
        except LinksUnavailable as error:
            # Who signs in must not wait for it; afterwards it is all read again.
            self._names, self._seen = {}, _BEGINNING
            _log.debug("notices_unavailable", reason=error.reason, error=str(error))
