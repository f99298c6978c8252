"""What Chromium makes of the addresses that people are sent on to, and of those they are not."""

import json
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser

from gateway.identity.next_path import safe_next

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("browser")]

# Each with an `evil` that must not become the host.
HOSTILE = [
    f"{before}{slashes}{after}evil.example/x"
    for before in ("", "\t", " ", "https:", "HTTPS:", "h\nttps:", "https:/\t", "/.", "/a/..")
    for slashes in ("//", "/\\", "\\\\", "/\t/", "/\r\n/", "///", "\\/", "/ /")
    for after in ("", "@", "a@", "a:b@", ".", "\t")
]
OURS = [
    "/calls",
    "/calls?in=C:\\temp\\x",
    "/calls?to=//evil.example/\\x",
    "/calls?a=%0d%0aLocation:%20//evil.example",
    "/／evil.example",
    "/。/evil.example?q=。",
    "/caf%C3%A9?x=é",
    "/a b?c d",
    '/a"<x>?"<x>\'',
    "/a;v=1/@b:80?x=a|b^c`{d}",
    "/calls?off=100%",
    "/calls?a=b#//evil.example",
    "/\u202e/gnp.live",
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def origin() -> AsyncIterator[str]:
    """A site that sends on from `/sso/callback/google?next=` as the gateway does."""

    async def send_on(request: web.Request) -> web.Response:
        target = safe_next(request.query["next"], own)
        return web.Response(status=303, headers={"Location": target})

    async def here(request: web.Request) -> web.Response:
        return web.Response(text=request.raw_path)

    app = web.Application()
    app.router.add_get("/sso/callback/google", send_on)
    app.router.add_get("/{rest:.*}", here)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    own = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield own
    await runner.cleanup()


async def test_every_place_of_ours_is_reached_as_it_was_written(
    chromium: Browser, origin: str
) -> None:
    page = await chromium.new_page()
    for text in [*OURS, *HOSTILE[:: len(HOSTILE) // 20]]:
        target = safe_next(text, origin)
        await page.goto(f"{origin}/sso/callback/google?next={quote(text, safe='')}")
        assert page.url == f"{origin}{target}"
        assert await page.inner_text("body") == target, "what the server was asked for"
    await page.close()


async def test_chromium_leaves_our_origin_for_none(chromium: Browser, origin: str) -> None:
    """And for hundreds of the same as they came, or the corpus would prove nothing."""
    page = await chromium.new_page()
    hostile = [*HOSTILE, *(text.replace("//", "/%2f", 1) for text in HOSTILE)]
    judged = [safe_next(text, origin) for text in hostile]
    script = """([base, texts]) => texts.map(text => {
        try { const url = new URL(text, base); return url.origin + url.pathname + url.search }
        catch { return "" }
    })"""
    base = f"{origin}/sso/callback/google?code=x"
    raw = await page.evaluate(script, [base, hostile])
    landed = await page.evaluate(script, [base, judged])
    assert landed == [f"{origin}{target}" for target in judged], json.dumps(landed[:20])
    assert sum(not url.startswith(f"{origin}/") for url in raw) > 300
    await page.close()
