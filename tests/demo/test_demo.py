"""`python -m demo` as a new user runs it: it says where to go, works there, and stops."""

import asyncio
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.demo.ports import are_free, free_ports

ROOT = Path(__file__).parents[2]
STARTED_WITHIN = 60
STOPPED_WITHIN = 20


@asynccontextmanager
async def demo(
    *arguments: str, tell_imports: bool = False
) -> AsyncIterator[asyncio.subprocess.Process]:
    options = ("-X", "importtime") if tell_imports else ()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *options, "-m", "demo", *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def said_until(process: asyncio.subprocess.Process, last: str) -> str:
    """What it says up to the line with `last`, or all of it."""
    assert process.stdout is not None
    said = ""
    async with asyncio.timeout(STARTED_WITHIN):
        while last not in said and (line := await process.stdout.readline()):
            said += line.decode()
    return said


def config_in(folder: Path) -> Path:
    """The repository's config.yaml with its policies, where data goes into `folder`."""
    text = (ROOT / "config.yaml").read_text()
    config = folder / "config.yaml"
    config.write_text(text.replace("policies: policies/", f"policies: {ROOT / 'policies'}"))
    return config


async def test_runs_signs_in_and_stops(tmp_path: Path) -> None:
    port = free_ports()
    async with demo("--config", str(config_in(tmp_path)), "--port", str(port)) as process:
        said = await said_until(process, "Ctrl-C")
        assert f"http://localhost:{port}" in said
        assert re.search(r"Jo March +jo@acme\.example", said)
        assert re.search(r"jmarch +march-hare", said)

        await look_around(f"http://localhost:{port}")

        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(STOPPED_WITHIN):
            assert "Stopped." in await said_until(process, "Stopped.")
            assert await process.wait() == 0
    assert are_free(port), "something still listens"


async def look_around(url: str) -> None:
    """As a password user: asked to sign in, with buttons also on Sonar's own page, then in."""
    jar = aiohttp.CookieJar(unsafe=True)
    navigating = {"Accept": "text/html,application/xhtml+xml"}
    async with aiohttp.ClientSession(cookie_jar=jar, headers=navigating) as browser:
        for path in ("/voicemail?page=2", "/login?return_to=%2Fvoicemail"):
            page = await (await browser.get(f"{url}{path}")).text()
            assert "/sso/login/google" in page
            assert "/sso/login/microsoft" in page
        form = {"username": "jmarch", "password": "march-hare", "return_to": "/voicemail?page=2"}
        answer = await browser.post(f"{url}/login", data=form)
        assert str(answer.url) == f"{url}/voicemail?page=2"
        assert "Jo March" in await answer.text()


async def test_repeats_what_became_of_a_change_of_the_policies(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "policies", tmp_path / "policies")
    config = tmp_path / "config.yaml"
    config.write_bytes((ROOT / "config.yaml").read_bytes())
    policy = tmp_path / "policies" / "acme.example.yaml"
    async with demo("--config", str(config), "--port", str(free_ports())) as process:
        await said_until(process, "Ctrl-C")
        rewrite(policy, "sso: on", "sso: of")
        said = await said_until(process, str(policy))
        assert "the last good ones stay in force" in said
        rewrite(policy, "sso: of", "sso: off")
        assert "acme.example off" in await said_until(process, "In force")


def rewrite(file: Path, old: str, new: str) -> None:
    """At once, as editors do."""
    half = file.with_name(".half")
    half.write_text(file.read_text().replace(old, new))
    half.rename(file)


async def test_a_gateway_does_not_outlive_a_demonstration_that_was_killed(tmp_path: Path) -> None:
    port = free_ports()
    async with demo("--config", str(config_in(tmp_path)), "--port", str(port)) as process:
        await said_until(process, "Ctrl-C")
        process.kill()
        await process.wait()
    await left(port)


async def left(port: int) -> None:
    """Until nobody listens there any more."""
    async with asyncio.timeout(STOPPED_WITHIN):
        while not are_free(port):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("last", ["asyncio.events", "Starting …"])
async def test_ctrl_c_before_it_runs_is_no_accident(tmp_path: Path, last: str) -> None:
    """Also while Python still reads the program's files, of which it tells here."""
    config, port = config_in(tmp_path), free_ports()
    async with demo("--config", str(config), "--port", str(port), tell_imports=True) as process:
        await said_until(process, last)
        process.send_signal(signal.SIGINT)
        said = await said_until(process, "no such line")
        assert "Stopped." in said
        assert "Traceback" not in said
        assert "Sonar Gateway is running" not in said
        assert await process.wait() == 0
    await left(port)


async def test_says_which_port_is_taken(tmp_path: Path) -> None:
    port = free_ports()
    config = str(config_in(tmp_path))
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", port + 2)
    async with server, demo("--config", config, "--port", str(port)) as process:
        said = await said_until(process, "make run PORT=")
        assert f"{port + 2}  the stand-in providers" in said
        assert await process.wait() == 1


async def test_says_what_is_wrong_with_the_config(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    config.write_text(config.read_text() + "nonsense: 1\n")
    async with demo("--config", str(config)) as process:
        said = await said_until(process, "no such line")
        assert "nonsense" in said
        assert "Traceback" not in said
        assert await process.wait() == 1


async def test_refuses_a_port_that_is_none() -> None:
    async with demo("--port", "70000") as process:
        assert "a port is a number from 1 to 65532" in await said_until(process, "no such line")
        assert await process.wait() == 2


async def test_has_help() -> None:
    async with demo("--help") as process:
        said = await said_until(process, "no such line")
        assert "--port" in said
        assert await process.wait() == 0
