"""Sessions, links and accounts in files: locked, without room, gone, half written."""

import asyncio
import os
import resource
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from demo.sonar.accounts import make_database
from gateway.reasons import Reason
from tests.journeys.world import World, a_world
from tests.outages.stage import Stage, a_stage
from tests.privilege import HELD_TO_RULES
from tests.servers.node import OidcProvider

pytestmark = pytest.mark.asyncio(loop_scope="module")


def accounts_of(database: Path) -> str:
    """The demonstration's accounts as a file directory has them."""
    make_database(database)
    with sqlite3.connect(database) as source:
        addresses: dict[int, list[dict[str, str]]] = {}
        for owner, email, purpose in source.execute(
            "SELECT account_id, email, purpose FROM addresses"
        ):
            addresses.setdefault(owner, []).append({"email": email, "purpose": purpose})
        rows = source.execute(
            "SELECT id, username, display_name, organisation, active, password_hash FROM accounts"
        )
        accounts = [
            {
                "id": str(row[0]), "username": row[1], "display_name": row[2],
                "organisation": row[3], "active": bool(row[4]), "password_hash": row[5],
                "addresses": addresses.get(row[0], []),
            }
            for row in rows
        ]  # fmt: skip
    return yaml.safe_dump({"accounts": accounts})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    tmp_path_factory: pytest.TempPathFactory, oidc_provider: OidcProvider
) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("w")
    (folder / "var").mkdir()
    (folder / "accounts.yaml").write_text(accounts_of(folder / "var" / "sonar.db"))
    async with a_world(
        folder,
        oidc_provider,
        directory={"kind": "file", "path": "accounts.yaml"},
        sessions={"outage_grace": "1s"},
    ) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def stage(world: World) -> AsyncIterator[Stage]:
    async with a_stage(world) as stage:
        yield stage


@contextmanager
def locked(file: Path) -> Iterator[None]:
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@contextmanager
def no_room(world: World, file: Path) -> Iterator[None]:
    """What the gateway writes to this file beyond its limit is refused, as by a full disk."""
    assert world.process is not None
    before = resource.prlimit(world.process.pid, resource.RLIMIT_FSIZE)
    # All other files are smaller, and go on.
    others = {world.folder / "gateway.log", *file.parent.iterdir()} - {
        *file.parent.glob(f"{file.name}*")
    }
    limit = max(other.stat().st_size for other in others) + 100_000
    with sqlite3.connect(file) as filling:
        filling.execute("CREATE TABLE IF NOT EXISTS ballast (bytes BLOB)")
        filling.execute("INSERT INTO ballast VALUES (zeroblob(?))", (2 * limit,))
    filling.close()
    resource.prlimit(world.process.pid, resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.prlimit(world.process.pid, resource.RLIMIT_FSIZE, before)


async def test_sessions_file_locked(world: World, stage: Stage) -> None:
    reason = Reason.SESSIONS_UNAVAILABLE
    with locked(world.folder / "var" / "sessions.db"):
        await stage.signing_in_is_refused(reason)
        await stage.one_is_down("sessions", reason)
        await stage.password_users_see_nothing()
        await stage.outlast_the_grace()
        await stage.signed_in_go_on()
    await stage.recovers()


async def test_sessions_file_cannot_grow(world: World, stage: Stage) -> None:
    reason = Reason.SESSIONS_UNAVAILABLE
    with no_room(world, world.folder / "var" / "sessions.db"):
        await stage.signing_in_is_refused(reason)
        await stage.one_is_down("sessions", reason)
        await stage.password_users_see_nothing()
        await stage.outlast_the_grace()
        await stage.signed_in_go_on()
    await stage.recovers()


async def test_links_file_locked(world: World, stage: Stage) -> None:
    reason = Reason.LINKS_UNAVAILABLE
    with locked(world.folder / "var" / "gateway.db"):
        await stage.signing_in_is_refused(reason)
        await stage.one_is_down("links", reason)
        await stage.password_users_see_nothing()
    await stage.recovers()


async def test_links_file_cannot_grow(world: World, stage: Stage) -> None:
    reason = Reason.LINKS_UNAVAILABLE
    with no_room(world, world.folder / "var" / "gateway.db"):
        await stage.signing_in_is_refused(reason)
        await stage.one_is_down("links", reason)
        await stage.password_users_see_nothing()
        await stage.outlast_the_grace()
        await stage.signed_in_go_on()
    await stage.recovers()


@asynccontextmanager
async def may_only_be_read(world: World, file: Path) -> AsyncIterator[None]:
    """The gateway begins anew meanwhile, and afterwards: a file that is open stays as it was."""
    modes = {each: each.stat().st_mode for each in file.parent.glob(f"{file.name}*")}
    for each in modes:
        each.chmod(0o444)
    world.before = HELD_TO_RULES
    await world.stop()
    try:
        yield
    finally:
        for each, mode in modes.items():
            if each.exists():
                each.chmod(mode)


async def test_links_file_read_only(world: World, stage: Stage) -> None:
    reason = Reason.LINKS_UNAVAILABLE
    async with may_only_be_read(world, world.folder / "var" / "gateway.db"):
        stage.log_begins = len(world.said())
        await world.start()
        await stage.signing_in_is_refused(reason)
        await stage.one_is_down("links", reason)
        assert "readonly" in stage.told()[0]["error"]
        await stage.password_users_see_nothing()
        await stage.outlast_the_grace()
        await stage.signed_in_go_on()
    await stage.recovers()


async def test_directory_file_gone(world: World, stage: Stage) -> None:
    file, reason = world.folder / "accounts.yaml", Reason.DIRECTORY_UNAVAILABLE
    stage.breaks()
    file.rename(file.with_suffix(".away"))
    try:
        await stage.signed_in_go_on()
        await stage.signing_in_is_refused(reason)
        await stage.one_is_down("directory", reason)
        await stage.signed_in_are_refused(reason)
        await stage.password_users_see_nothing()
    finally:
        file.with_suffix(".away").rename(file)
    await stage.recovers()


async def test_directory_file_half_written(world: World, stage: Stage) -> None:
    file = world.folder / "accounts.yaml"
    whole = await asyncio.to_thread(file.read_bytes)
    file.write_bytes(whole[: len(whole) // 2 + 7].rpartition(b"\n")[0] + b"\n  id: [")
    try:
        await stage.signing_in_works()
        await stage.signed_in_go_on()
        await stage.password_users_see_nothing()
        assert "directory_file_wrong" in world.said()
    finally:
        os.replace(_beside(file, whole), file)
    await stage.signing_in_works()


def _beside(file: Path, content: bytes) -> Path:
    beside = file.with_suffix(".new")
    beside.write_bytes(content)
    return beside
