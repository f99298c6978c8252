"""A provider's document, fetched once and kept: fresh for an hour, used for a day if need be.

One fetch at a time, however many people sign in; whoever goes away while waiting does not take
the fetch from the others. A question that is not answered soon may have been lost on the way, and
the provider be back before its time is up: it is asked again beside it, and the first answer
counts.

A `stranger`, whom nothing but our address had to be known to, makes us ask a provider that does not
answer less often, and uses up nothing that a sign-in may need.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog

from gateway.errors import ProviderUnavailable

# Providers say hours to a day in Cache-Control; an hour notices a withdrawn key the same morning.
FRESH = 3600.0

# Signing in outlives a provider's broken discovery; a key set older than a day proves nothing.
STALE = 86400.0

# While a provider is down, each sign-in would wait for its timeout; between tries, nobody does.
RETRY_AFTER = 10.0

# Providers answer within a second; and no more often is one asked that does not.
AGAIN_AFTER = 1.0

# An unknown key id may be a new key. Asking more often would let anything that reaches the
# verification make us hammer the provider.
RENEW_AFTER = 300.0

_LONG_AGO = float("-inf")

T = TypeVar("T")

_log = structlog.get_logger()


class Cached(Generic[T]):
    """`load` fetches the document or raises `ProviderUnavailable`; `clock` is monotonic seconds;
    `name` is for the log."""

    def __init__(
        self,
        name: str,
        load: Callable[[], Awaitable[T]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._load = load
        self._clock = clock
        self._value: tuple[T] | None = None
        self._loaded = _LONG_AGO
        self._tried = _LONG_AGO
        self._renewed = {False: _LONG_AGO, True: _LONG_AGO}
        self._flight: asyncio.Task[T] | None = None

    async def get(self, *, stranger: bool = False) -> T:
        """The document, fetched when it is not fresh; a stale one when the provider is down."""
        age = self._clock() - self._loaded
        tried_lately = self._clock() - self._tried < RETRY_AFTER
        if self._value is None or age >= STALE:
            if stranger and tried_lately and self._flight is None:
                raise ProviderUnavailable(f"{self._name}: no answer a moment ago")
            return await self._fetch()
        if age < FRESH or tried_lately:
            return self._value[0]
        try:
            return await self._fetch()
        except ProviderUnavailable as error:
            _log.warning("provider_document_stale", document=self._name, error=str(error))
            return self._value[0]

    def held(self) -> T | None:
        """The document as it was last fetched, however old."""
        return None if self._value is None else self._value[0]

    async def renewed(self, *, stranger: bool = False) -> T:
        """The document, fetched again unless this did so within `RENEW_AFTER`, for strangers or for
        the others.

        An ordinary fetch just before does not count: what it got may be rolled the minute after.
        Whoever comes while a fetch is under way waits for it, as the answer may be in it.
        """
        now = self._clock()
        recently = now - self._renewed[stranger] < RENEW_AFTER
        if self._value is not None and recently and self._flight is None:
            return self._value[0]
        begins = self._flight is None
        if begins:
            self._renewed[stranger] = now
        try:
            return await self._fetch()
        except ProviderUnavailable:
            if begins:
                # A sign-in with such a key comes from a provider that is back.
                again = RETRY_AFTER if stranger else 0.0
                self._renewed[stranger] = now + again - RENEW_AFTER
            raise

    async def _fetch(self) -> T:
        if self._flight is None:
            self._flight = asyncio.create_task(self._fly())
            self._flight.add_done_callback(self._landed)
        return await asyncio.shield(self._flight)

    async def _fly(self) -> T:
        self._tried = self._clock()
        value = await self._first_answer()
        self._value = (value,)
        self._loaded = self._clock()
        return value

    async def _first_answer(self) -> T:
        """Of the questions under way; or what the first of them that failed raised."""
        asked: set[asyncio.Future[T]] = set()
        try:
            while True:
                asked.add(asyncio.ensure_future(self._load()))
                done, _ = await asyncio.wait(
                    asked, timeout=AGAIN_AFTER, return_when=asyncio.FIRST_COMPLETED
                )
                for question in sorted(done, key=lambda each: each.exception() is not None):
                    return question.result()
        finally:
            for question in asked:
                question.cancel()

    def _landed(self, flight: asyncio.Task[T]) -> None:
        self._flight = None
        if not flight.cancelled():
            # Everybody who waited may have gone away; the error was theirs.
            flight.exception()
