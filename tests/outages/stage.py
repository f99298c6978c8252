"""Three people at a real gateway while a part is down: what each of them sees.

Pat has only Sonar's own cookie. Jo and Hank have signed in through the gateway. Somebody else comes
to sign in while the part is down.
"""

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from gateway.reasons import Reason
from tests.journeys.browser import Browser, Page
from tests.journeys.world import PATIENCE, World
from tests.stopwatch import Stopwatch

# Of config.yaml in these tests.
GRACE = 1.0
# Until a loss is noticed, and until it is noticed that the grace is over.
NOTICED = 3.0
RECOVERED = 2.0
# What a request that asks nobody may take, with all that the test does itself.
AT_ONCE = 1.0
ME = "/api/v1/me"


PAT, JO, HANK = "pat", "jo", "hank"


@dataclass
class Load:
    """How many answers each got, and how long those took that nobody has looked at yet, seconds."""

    answers: Counter[str] = field(default_factory=Counter)
    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def answered(self, name: str, seconds: float) -> None:
        self.answers[name] += 1
        self.took[name].append(seconds)

    def looked_at(self) -> dict[str, list[float]]:
        """Since it was looked at last."""
        took, self.took = self.took, defaultdict(list)
        return took


@dataclass
class Stage:
    world: World
    pat: Browser
    jo: Browser
    hank: Browser
    as_before: dict[str, str]
    log_begins: int
    broke: float = 0.0

    def breaks(self) -> None:
        """The outage begins: nobody is to be refused before the grace is over."""
        self.broke = time.monotonic()

    async def within(
        self,
        seconds: float,
        holds: Callable[[], Awaitable[bool]],
        watch: Stopwatch | None = None,
    ) -> None:
        """Wait until `holds()`; fail when that takes more than `seconds`, from now or from when the
        stopwatch began."""
        watch = watch or self.world.stopwatch()
        async with asyncio.timeout(PATIENCE):
            while not await holds():
                assert watch.seconds() < seconds, f"not within {seconds} s\n{self.world.said()}"
                await asyncio.sleep(0.02)
        assert watch.seconds() < seconds, f"not within {seconds} s\n{self.world.said()}"

    async def password_users_see_nothing(self) -> None:
        """The same bytes, at once."""
        for _ in range(5):
            watch = self.world.stopwatch()
            status, _, text = await self.pat.request("GET", ME)
            assert (status, text) == (200, self.as_before[PAT])
            assert watch.seconds() < AT_ONCE
        assert await self.world.is_ready()

    @asynccontextmanager
    async def under_load(self, *reasons: Reason, each: int = 4) -> AsyncIterator["Load"]:
        """All three ask all the time, `each` so many at once, and are answered as themselves; but
        for password users they may be refused for these reasons."""
        load, over, everybody = Load(), asyncio.Event(), (PAT, JO, HANK)
        browsers = {PAT: self.pat, JO: self.jo, HANK: self.hank}

        async def asks(name: str) -> None:
            while not over.is_set():
                began = time.monotonic()
                seen = await self._seen(browsers[name], name)
                assert seen == "as before" or (name != PAT and seen in reasons), f"{name}: {seen}"
                load.answered(name, time.monotonic() - began)

        async with asyncio.TaskGroup() as asking:
            for name in everybody:
                for _ in range(each):
                    asking.create_task(asks(name))
            try:
                yield load
            finally:
                over.set()
        assert min(load.answers[name] for name in everybody) > 50, load.answers

    async def signed_in_go_on(self) -> None:
        for name, browser in ((JO, self.jo), (HANK, self.hank)):
            status, _, text = await browser.request("GET", ME)
            assert (status, text) == (200, self.as_before[name]), self.world.said()

    async def signed_in_are_refused(self, reason: Reason) -> None:
        """After the grace and not before, and not with somebody else's account."""

        async def refused() -> bool:
            seen = {await self._seen(self.jo, JO), await self._seen(self.hank, HANK)}
            assert seen <= {"as before", reason}, seen
            assert reason not in seen or time.monotonic() - self.broke > GRACE
            return seen == {reason}

        await self.within(GRACE + NOTICED, refused)
        page = await self.jo.open("/calls")
        assert page.status == 503
        assert reason in page.text

    async def signed_in_are_sent_away(self) -> None:
        """After the grace and not before: their sessions end. It begins, and is noticed to be over,
        when the provider is asked, which is once a second."""

        async def gone() -> bool:
            seen = {await self._seen(self.jo, JO), await self._seen(self.hank, HANK)}
            assert all(one == "as before" or one.startswith("401 ") for one in seen), seen
            assert seen == {"as before"} or time.monotonic() - self.broke > GRACE
            return "as before" not in seen

        await self.within(GRACE + 2 * NOTICED, gone)
        page = await self.jo.open("/calls")
        assert (page.status, page.path) == (200, "/sso/login")

    async def outlast_the_grace(self) -> None:
        over = time.monotonic() + GRACE + 0.6

        async def passed() -> bool:
            return time.monotonic() > over

        await self.within(PATIENCE, passed)

    async def signing_in_is_refused(self, reason: Reason) -> Page:
        async with self.world.browser() as browser:
            page = await self.world.google(browser, "kim", "/calls")
            assert page.status == 503, page.text
            assert reason in page.text
            assert page.link("password")
            assert (await browser.request("GET", ME))[0] in {401, 503}
            return page

    async def signing_in_works(self) -> None:
        async with self.world.browser() as browser:
            page = await self.world.google(browser, "jo", "/calls")
            assert (page.status, page.path) == (200, "/calls"), page.text

    async def recovers(self) -> None:
        """All within the time that is promised, from now on; and who comes then can sign in."""
        watch = self.world.stopwatch()

        async def back() -> bool:
            seen = [await self._seen(self.jo, JO), await self._seen(self.hank, HANK)]
            return seen == ["as before"] * 2

        async def up() -> bool:
            return [event["event"] for event in self.told()] == ["part_down", "part_up"]

        await self.within(RECOVERED, back, watch)
        await self.within(RECOVERED, up, watch)
        await self.signing_in_works()
        assert [event["event"] for event in self.told()] == ["part_down", "part_up"]

    def told(self) -> list[dict[str, str]]:
        """What the log said of parts that are down."""
        lines = self.world.said()[self.log_begins :].splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{")]
        return [event for event in events if event["event"] in {"part_down", "part_up"}]

    async def one_is_down(self, part: str, reason: Reason) -> None:
        """The operator sees which, once, and why."""

        async def down() -> bool:
            return f'sonar_gateway_part_down{{part="{part}"}} 1.0' in await self.world.metrics()

        await self.within(NOTICED, down)
        (event,) = self.told()
        assert (event["event"], event["part"], event["reason"]) == ("part_down", part, reason)

    async def all_is_well(self) -> None:
        """Also after a test that failed in the midst of an outage."""

        async def well() -> bool:
            return await self.world.is_ready() and "_part_down{" not in "".join(
                line for line in (await self.world.metrics()).splitlines() if line.endswith(" 1.0")
            )

        await self.within(PATIENCE, well)

    async def _seen(self, browser: Browser, name: str) -> str:
        status, _, text = await browser.request("GET", ME)
        if (status, text) == (200, self.as_before[name]):
            return "as before"
        return str(json.loads(text)["error"]) if status == 503 else f"{status} {text}"


@asynccontextmanager
async def a_stage(world: World) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as closing:
        pat, jo, hank = [await closing.enter_async_context(world.browser()) for _ in range(3)]
        stage = Stage(world, pat, jo, hank, {}, 0)
        await stage.all_is_well()
        await world.password(pat, "nlindqvist", "north-light")
        await world.google(jo, "jo")
        await world.google(hank, "hank")
        for name, browser in ((PAT, pat), (JO, jo), (HANK, hank)):
            status, _, stage.as_before[name] = await browser.request("GET", ME)
            assert status == 200
        assert len(set(stage.as_before.values())) == 3
        stage.log_begins = len(world.said())
        stage.breaks()
        yield stage
