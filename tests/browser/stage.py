"""What the browser tests do on every page: watch for complaints, press keys, take a picture."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import (
    Browser,
    ConsoleMessage,
    FloatRect,
    Locator,
    Page,
    Request,
    ViewportSize,
    expect,
)

from gateway.session.store.embedded import EmbeddedStore

# Two busy cores need a second for a page; this only bounds one that never comes.
PATIENCE = 20_000
# A page whose main way is further than this from its beginning is not usable by keyboard.
_MOST_TABS = 30
# What a README can carry.
_LARGEST_PICTURE = 150_000
# Pages taller than this many CSS pixels are shown without the detail of a fine screen.
_TALL = 1000
_SCREEN: ViewportSize = {"width": 1000, "height": 620}
_PHONE: ViewportSize = {"width": 320, "height": 640}

expect.set_options(timeout=PATIENCE)

_TELL_VIOLATIONS = """
addEventListener("securitypolicyviolation", event =>
    heard(document.URL, `${event.violatedDirective} forbids ${event.blockedURI}`));
"""
_A_STATUS = "Failed to load resource: the server responded with a status of"


@dataclass(frozen=True, slots=True)
class Stage:
    """A running system; `origin` is what people type, `sessions` the file of the store."""

    chromium: Browser
    origin: str
    sessions: Path

    async def end_sessions(self, page: Page) -> None:
        """Every session is over; wait until the gateway says so of this page's browser."""
        store = EmbeddedStore(self.sessions)
        await store.open()
        for session in await store.all():
            await store.end(session.key)
        await store.close()
        async with asyncio.timeout(PATIENCE / 1000):
            while (await page.request.get("/sso/me")).status != 401:  # noqa: ASYNC110 - a process
                await asyncio.sleep(0.05)

    @asynccontextmanager
    async def visitor(self) -> AsyncIterator[Page]:
        """A fresh browser. Fails at the end if one of our pages, Sonar's included, had an error
        or a warning on the console, or something in it that its content policy forbids."""
        complaints: list[tuple[str, str]] = []
        documents: set[str] = set()

        def hear(where: str, what: str) -> None:
            complaints.append((where, what))

        def listen(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"}:
                hear(message.location["url"], message.text)

        def note(request: Request) -> None:
            if request.is_navigation_request():
                documents.add(request.url)

        context = await self.chromium.new_context(
            base_url=self.origin, viewport=_SCREEN, device_scale_factor=1.5, locale="en-GB"
        )
        context.set_default_timeout(PATIENCE)
        context.on("console", listen)
        context.on("weberror", lambda error: hear(self.origin, str(error.error)))
        context.on("request", note)
        await context.expose_function("heard", hear)
        await context.add_init_script(_TELL_VIOLATIONS)
        try:
            yield await context.new_page()
        finally:
            await context.close()
        ours = [(where, what) for where, what in complaints if self._is_ours(where)]
        # Chromium tells of the status that a page has which refuses something.
        rest = [c for c in ours if c[0] not in documents or not c[1].startswith(_A_STATUS)]
        assert not rest, rest

    def _is_ours(self, url: str) -> bool:
        return url == self.origin or url.startswith(f"{self.origin}/")

    def at(self, path: str) -> str:
        return f"{self.origin}{path}"


async def pick(page: Page, name: str) -> None:
    """Be `name` on a provider's page."""
    await page.get_by_role("button", name=name).click()


async def press(page: Page, target: Locator) -> None:
    """Without a mouse: Tab until `target` has the focus, and Enter."""
    await expect(target).to_be_visible()
    for _ in range(_MOST_TABS):
        await page.keyboard.press("Tab")
        if await target.evaluate("element => element === document.activeElement"):
            await page.keyboard.press("Enter")
            return
    raise AssertionError(f"{_MOST_TABS} times Tab do not lead to {target}")


async def box_of(page: Page, selector: str) -> FloatRect:
    """Where something is, once the style sheets are there."""
    await page.wait_for_load_state()
    box = await page.locator(selector).bounding_box()
    assert box is not None, f"{selector} is not on {page.url}"
    return box


async def fits_a_phone(page: Page) -> None:
    """Nobody has to scroll sideways on the narrowest telephone in use (WCAG 1.4.10: 320 px)."""
    await page.wait_for_load_state()
    await page.set_viewport_size(_PHONE)
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width <= _PHONE["width"], f"{page.url} is {width} px wide"
    await page.set_viewport_size(_SCREEN)


async def picture(page: Page, name: str, folder: Path) -> None:
    """A picture of the page: into the folder $PICTURES for docs/, else into `folder`."""
    folder = Path(os.environ.get("PICTURES") or folder)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{name}.png"
    await page.wait_for_load_state()
    # Low, so that a picture of the whole page ends where the page does.
    await page.set_viewport_size({"width": 760 if "/sso/" in page.url else 1000, "height": 320})
    height = await page.evaluate("document.documentElement.scrollHeight")
    image = await page.screenshot(
        path=target,
        full_page=True,
        animations="disabled",
        scale="css" if height > _TALL else "device",
    )
    await page.set_viewport_size(_SCREEN)
    assert len(image) < _LARGEST_PICTURE, f"{target.name} has {len(image)} bytes"
