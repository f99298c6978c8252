"""The whole demonstration as `make run` starts it, and Debian's Chromium in front of it."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from demo.plan import make_plan
from demo.system import running
from tests.browser.stage import Stage
from tests.demo.ports import free_ports

ROOT = Path(__file__).parents[2]

# No sandbox, because tests may run as root in a container; nothing that talks to anybody else.
_SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.fail("chromium is missing: run `python -m tests.setup`", pytrace=False)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=_SWITCHES)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(
    chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    """Everything, on ports and with data of its own."""
    folder = tmp_path_factory.mktemp("demo")
    text = (ROOT / "config.yaml").read_text()
    config = folder / "config.yaml"
    config.write_text(text.replace("policies: policies/", f"policies: {ROOT / 'policies'}"))
    plan = make_plan(config, free_ports())
    async with running(plan):
        yield Stage(chromium, plan.config.server.public_url, plan.config.sessions.path)
