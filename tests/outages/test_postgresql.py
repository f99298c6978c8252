"""The gateway's own database and the directory, in PostgreSQL: down in each way."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from gateway.reasons import Reason
from tests.journeys.test_backends import move_accounts
from tests.journeys.world import World, a_world
from tests.outages.stage import Stage, a_stage
from tests.servers.between import Between, between_sockets
from tests.servers.node import OidcProvider
from tests.servers.postgres import Postgres

pytestmark = pytest.mark.asyncio(loop_scope="module")
LINKS, DIRECTORY = Reason.LINKS_UNAVAILABLE, Reason.DIRECTORY_UNAVAILABLE


@dataclass
class Databases:
    """Two ways to one server: the gateway's own database as a role of its own, and Sonar's."""

    server: Postgres
    own: str
    way: Between
    sonar_way: Between
    world: World


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def databases(
    tmp_path_factory: pytest.TempPathFactory, oidc_provider: OidcProvider, postgres: Postgres
) -> AsyncIterator[Databases]:
    folder = tmp_path_factory.mktemp("w")
    own, sonar = postgres.new_database(), postgres.new_database()
    move_accounts(postgres, sonar, folder)
    postgres.execute(
        "DROP ROLE IF EXISTS gateway", "CREATE ROLE gateway LOGIN",
        f"ALTER DATABASE {own} OWNER TO gateway",
    )  # fmt: skip
    home = Path(postgres.url(own).partition("host=")[2])
    async with AsyncExitStack() as closing:
        ways = []
        for name in ("own", "sonar"):
            (home / name).mkdir(exist_ok=True)
            (home / name).chmod(0o755)
            pair = home / name / ".s.PGSQL.5432", home / ".s.PGSQL.5432"
            ways.append(await closing.enter_async_context(between_sockets(*pair)))
        world = await closing.enter_async_context(
            a_world(
                folder,
                oidc_provider,
                links={"database": f"postgresql://gateway@/{own}?host={home}/own"},
                directory={
                    "kind": "sql",
                    "url": f"postgresql://postgres@/{sonar}?host={home}/sonar",
                    "timeout": "1s",
                },
                sessions={"outage_grace": "1s"},
            )
        )
        yield Databases(postgres, own, ways[0], ways[1], world)
    postgres.drop_database(own)
    postgres.drop_database(sonar)
    postgres.execute("DROP ROLE gateway")


@pytest_asyncio.fixture(loop_scope="module")
async def stage(databases: Databases) -> AsyncIterator[Stage]:
    # A test that failed may have left them as they were then.
    for way in (databases.way, databases.sonar_way):
        way.release()
        await way.open()
    async with a_stage(databases.world) as stage:
        yield stage


async def lost(stage: Stage, part: str, reason: Reason) -> None:
    """What everybody sees of a part that nothing can be read of, from the beginning on."""
    await stage.signing_in_is_refused(reason)
    await stage.one_is_down(part, reason)
    await stage.password_users_see_nothing()
    await stage.signed_in_are_refused(reason)
    await stage.password_users_see_nothing()


@contextmanager
def role(server: Postgres, changed: str, back: str) -> Iterator[None]:
    """The gateway's role is another one meanwhile, and its connections begin anew."""
    anew = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'gateway'"
    server.execute(f"ALTER ROLE gateway {changed}", anew)
    try:
        yield
    finally:
        server.execute(f"ALTER ROLE gateway {back}", anew)


async def test_postgresql_gone(databases: Databases, stage: Stage) -> None:
    stage.breaks()
    await databases.way.cut()
    await stage.signed_in_go_on()
    await lost(stage, "links", LINKS)
    await databases.way.open()
    await stage.recovers()


async def test_postgresql_cut_off(databases: Databases, stage: Stage) -> None:
    """And when the network is back, it has forgotten every connection, and tells nobody."""
    await asyncio.gather(*(stage.signing_in_works() for _ in range(3)))
    stage.breaks()
    databases.way.hold()
    await stage.signed_in_go_on()
    await lost(stage, "links", LINKS)
    databases.way.lose()
    await stage.recovers()


async def test_postgresql_out_of_connections(databases: Databases, stage: Stage) -> None:
    stage.breaks()
    with role(databases.server, "CONNECTION LIMIT 0", "CONNECTION LIMIT -1"):
        await stage.signed_in_go_on()
        await lost(stage, "links", LINKS)
        assert "too many connections" in stage.told()[0]["error"]
    await stage.recovers()


async def test_postgresql_locked(databases: Databases, stage: Stage) -> None:
    home = databases.server.url("").partition("host=")[2]
    locker = await asyncpg.connect(user="postgres", database=databases.own, host=home)
    try:
        stage.breaks()
        async with locker.transaction():
            await locker.execute("LOCK TABLE links IN ACCESS EXCLUSIVE MODE")
            await stage.signed_in_go_on()
            await lost(stage, "links", LINKS)
        await stage.recovers()
    finally:
        await locker.close()


async def test_postgresql_read_only(databases: Databases, stage: Stage) -> None:
    setting = "default_transaction_read_only"
    with role(databases.server, f"SET {setting} = on", f"RESET {setting}"):
        await stage.signing_in_is_refused(LINKS)
        await stage.one_is_down("links", LINKS)
        await stage.password_users_see_nothing()
        await stage.outlast_the_grace()
        await stage.signed_in_go_on()
    await stage.recovers()


async def test_directory_gone(databases: Databases, stage: Stage) -> None:
    stage.breaks()
    await databases.sonar_way.cut()
    await stage.signed_in_go_on()
    await lost(stage, "directory", DIRECTORY)
    await databases.sonar_way.open()
    await stage.recovers()


async def test_directory_slow(databases: Databases, stage: Stage) -> None:
    """And when the network is back, it has forgotten every connection, and tells nobody."""
    await asyncio.gather(*(stage.signing_in_works() for _ in range(3)))
    stage.breaks()
    databases.sonar_way.hold()
    await stage.signed_in_go_on()
    await lost(stage, "directory", DIRECTORY)
    databases.sonar_way.lose()
    await stage.recovers()
    await asyncio.gather(*(stage.signing_in_works() for _ in range(3)))


@pytest.mark.parametrize("reason", ["links", "directory"])
async def test_a_herd_opens_few_connections(
    databases: Databases, stage: Stage, reason: str
) -> None:
    """Everybody comes to sign in while the database is gone, and again when it is back."""
    links = reason == "links"
    way = databases.way if links else databases.sonar_way
    await way.cut()
    for _ in range(2):
        await asyncio.gather(
            *(stage.signing_in_is_refused(LINKS if links else DIRECTORY) for _ in range(4))
        )
    opened = way.opened
    await way.open()
    await stage.recovers()
    await asyncio.gather(*(stage.signing_in_works() for _ in range(8)))
    # As many as the pool has, the audit's one, and what asked whether it is back.
    assert way.opened - opened <= 8
    assert [event["event"] for event in stage.told()] == ["part_down", "part_up"]
