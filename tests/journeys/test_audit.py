"""One chain of records, whoever adds to it: workers, another gateway, one that dies, a command."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.journeys.browser import Browser
from tests.journeys.world import ROOT, World, a_world, until
from tests.servers.node import OidcProvider

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def world(tmp_path: Path, oidc_provider: OidcProvider) -> AsyncIterator[World]:
    async with a_world(
        tmp_path, oidc_provider, server={"workers": 2}, audit={"required": True}
    ) as world:
        yield world


async def command(world: World, *words: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        "audit",
        *words,
        cwd=world.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **world.environment},
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await process.communicate()
    return process.returncode or 0, told.decode()


async def records(world: World) -> list[dict[str, Any]]:
    code, told = await command(world, "--json", "--last", "0")
    assert code == 0
    return [json.loads(line) for line in told.splitlines()]


def worker_pids(world: World) -> list[int]:
    assert world.process is not None
    children = Path(f"/proc/{world.process.pid}/task/{world.process.pid}/children")
    return [int(pid) for pid in children.read_text().split()]


async def test_one_chain(world: World) -> None:
    twin = world.twin("twin.yaml")
    await twin.start()
    try:

        async def come(person: str) -> None:
            async with Browser(world.origin, keeps_connections=False) as browser:
                await world.google(browser, person)

        await asyncio.gather(*(come(person) for person in ("jo", "kim", "blake", "jo", "kim")))
        # One dies in the middle of it, and its successor goes on.
        os.kill(worker_pids(world)[0], signal.SIGKILL)
        await asyncio.gather(*(come(person) for person in ("jo", "kim")))
        world.policy("acme.example", blocked_users=["jo@acme.example", "blake@acme.example"])

        async def all_out() -> bool:
            ended = [each for each in await records(world) if each["event"] == "session_ended"]
            return len(ended) == 3

        await until(all_out, world.said)
        told = await records(world)
    finally:
        await twin.stop()
    assert await world.stop() == 0

    assert [each["number"] for each in told] == list(range(1, len(told) + 1))
    signed_in = [each for each in told if each["event"] == "sign_in"]
    names = sorted(each["email"] for each in signed_in)
    assert names == ["jo@acme.example"] * 3 + ["kim.okafor@gmail.com"] * 3
    assert len({each["session"] for each in signed_in}) == 6
    assert all(each["request_id"] and each["address"] == "127.0.0.1" for each in signed_in)
    (refused,) = [each for each in told if each["event"] == "sign_in_refused"]
    assert (refused["reason"], refused["email"]) == ("blocked_user", "blake@acme.example")
    (changed,) = [each for each in told if each["event"] == "policy_changed"]
    assert "blocked_users: + jo@acme.example" in changed["detail"]["what"]
    ended = [each for each in told if each["event"] == "session_ended"]
    jos = {each["session"] for each in signed_in if each["email"] == "jo@acme.example"}
    assert {each["session"] for each in ended} == jos
    assert {each["reason"] for each in ended} == {"blocked_user"}
    # The line of each on standard output says the same.
    lines = [line for line in world.said().splitlines() if '"event": "sign_in"' in line]
    assert {json.loads(line)["session"] for line in lines} == {s["session"] for s in signed_in}

    code, verdict = await command(world, "verify")
    assert code == 0, verdict
    assert "as they were written" in verdict
