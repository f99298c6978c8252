"""Takes one letter after the other whose time has come, and says what became of it.

Every process has one; the database gives each letter to one of them (account/notices.py). It waits
for nobody and nobody waits for it: a server that is down costs a letter time, a sign-in nothing.
"""

import asyncio
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import structlog

from gateway.account.model import Letter
from gateway.account.notices import Notices
from gateway.config import Config, Mail
from gateway.errors import LinksUnavailable
from gateway.mail.letter import compose
from gateway.mail.smtp import Never, NotNow, Outcome, Sent, send
from gateway.tasks import Rounds

_log = structlog.get_logger()

# How soon a new letter is found.
_LOOK_EVERY = 5.0
# The first pause of a letter that could not be sent, then twice as long each time.
_FIRST_PAUSE, _LONGEST_PAUSE = 60.0, 3600.0


class Postman:
    """`await start()`, `await stop()`. `look_every` in seconds, `clock` in Unix seconds."""

    def __init__(
        self,
        config: Config,
        mail: Mail,
        notices: Notices,
        *,
        look_every: float = _LOOK_EVERY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._mail = mail
        self._notices = notices
        self._clock = clock
        failed = lambda: _log.exception("letter_failed")  # noqa: E731
        self._rounds = Rounds(self._deliver_all, look_every, failed, at_once=True)

    async def start(self) -> None:
        self._rounds.start()

    async def stop(self) -> None:
        """A letter that is being sent meanwhile is sent once more by somebody else, unless it is
        done before."""
        await self._rounds.stop()

    async def _deliver_all(self) -> None:
        try:
            while await self.deliver_one():
                pass
        except LinksUnavailable as error:
            _log.warning("letters_unavailable", reason=error.reason, error=str(error))

    async def deliver_one(self) -> bool:
        """Whether there was one. Raises LinksUnavailable."""
        # Nobody else tries it while we may still be trying: five steps, each within its timeout.
        lease = 10 * self._mail.timeout
        letter = await self._notices.take_due(self._clock(), lease)
        if letter is None:
            return False
        await self._settle(letter, await self._sent(letter))
        return True

    async def _sent(self, letter: Letter) -> Outcome:
        server = self._config.server
        provider = self._config.providers.get(letter.provider)
        label = letter.provider if provider is None else provider.label
        try:
            message = compose(letter, label, self._mail.sender, server.public_url)
        except (ValueError, TypeError):
            # An address of Sonar's table that is none.
            return Never("the address cannot be written to")
        own_name = urlsplit(server.public_url).hostname or "localhost"
        return await asyncio.to_thread(send, self._mail, message, own_name)

    async def _settle(self, letter: Letter, outcome: Outcome) -> None:
        match outcome:
            case Sent():
                await self._notices.done(letter)
                _log.info("letter_sent", tries=letter.tries)
            case Never(why=why):
                await self._notices.done(letter)
                _log.error("letter_refused", why=why, tries=letter.tries)
            case NotNow(why=why):
                await self._try_later(letter, why)

    async def _try_later(self, letter: Letter, why: str) -> None:
        now = self._clock()
        if now - letter.created >= self._mail.give_up:
            await self._notices.done(letter)
            _log.error("letter_given_up", why=why, tries=letter.tries)
            return
        pause = pause_after(letter.tries)
        await self._notices.later(letter, now + pause)
        _log.warning("letter_waits", why=why, tries=letter.tries, seconds=pause)


def pause_after(tries: int) -> float:
    """How long a letter waits that could not be sent so often, in seconds."""
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(tries - 1, 20))
