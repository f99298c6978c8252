"""Keys change under a gateway that serves: real processes, one command, and nobody notices."""

import asyncio
import json
import os
import sys
import time
from base64 import urlsafe_b64decode
from collections import defaultdict
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from gateway.account.migrations import migrate
from gateway.secret import Secret
from gateway.session.keys import KeyRing
from gateway.session.keys.database import DatabaseKeys
from gateway.session.keys.files import FileKeys
from gateway.session.keys.watch import KeyWatch
from gateway.session.live import Sessions
from gateway.session.store.embedded import EmbeddedStore
from gateway.session.store.redis import RedisStore
from tests.edge.world import OK, Call, Reply, get
from tests.servers.postgres import Postgres
from tests.servers.valkey import Valkey
from tests.session.samples import an_account, an_identity, sessions_on
from tests.workers.world import ROOT, Gateway, a_gateway, until

SECRET = "5f" * 32
# Of whoever signs in below, as the directory is asked about them while they are here.
ACCOUNTS = """
accounts:
  - id: id-jo
    username: jo
    display_name: Jo
    organisation: Acme
    active: true
    password_hash: x
    addresses: [{email: jo@acme.example, purpose: contact}]
"""
# What verifiers keep keys for is an hour; here nobody keeps any.
OVERLAP = 4.0


async def typed(gateway: Gateway, *words: str) -> Any:
    """What `sonar-gateway keys …` answers, as a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "keys", *words, "--json"),
        cwd=gateway.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "SONAR_KEYS_SECRET": SECRET},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    answer, wrong = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, wrong
    return json.loads(answer)


class Verifier:
    """A Sonar that verifies assertions: when each key was published, and when it first signed."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.published: dict[str, float] = {}
        self.used: dict[str, float] = {}

    async def keep(self) -> None:
        """Fetch again and again, and note when a key was first there."""
        while True:
            reply = await self.gateway.ask(get("/sso/jwks.json"))
            for key in reply.json["keys"]:
                self.published.setdefault(key["kid"], time.monotonic())
            await asyncio.sleep(0.1)

    async def answers(self, call: Call) -> None:
        """Every request, however long nobody asks anything in between."""
        while True:
            head = await call.reader.readuntil(b"\r\n\r\n")
            header = head.partition(b"X-Sonar-Assertion: ")[2].partition(b".")[0].decode()
            kid = json.loads(urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"]
            self.used.setdefault(kid, time.monotonic())
            await call.say(OK)


class People:
    """Who is signed in asks again and again, of every process; each answer but 200 is noted.
    Somebody new signs in all the time, at another process of the same house."""

    def __init__(self, gateway: Gateway, sessions: Sessions) -> None:
        self.gateway = gateway
        self.sessions = sessions
        self.cookies: list[str] = []
        self.refused: list[tuple[int, str]] = []
        self.asked = 0
        self.going = True

    async def sign_in(self) -> str:
        cookie, _ = await self.sessions.create(an_identity(), an_account(), None, time.time())
        self.cookies.append(cookie)
        return cookie

    async def ask(self, cookie: str) -> Reply:
        reply = await self.gateway.ask(get("/page", f"Cookie: sonar_sso={cookie}"))
        self.asked += 1
        return reply

    async def go_on(self) -> None:
        turn = 0
        while self.going:
            turn += 1
            if turn % 5 == 0:
                await self.sign_in()
            cookie = self.cookies[turn % len(self.cookies)]
            reply = await self.ask(cookie)
            if reply.status != 200:
                self.refused.append((reply.status, cookie[44:60]))

    def keys(self) -> set[str]:
        """The ids of the keys that made the cookies."""
        return {cookie.split(".")[1] for cookie in self.cookies}


async def changes(gateway: Gateway, event: str, names: list[str], processes: int) -> None:
    """Wait until each process has told of all these names, be it in one line or in two."""

    async def heard() -> bool:
        told: defaultdict[int, set[str]] = defaultdict(set)
        for one in gateway.events():
            if one["event"] == event:
                told[one["worker"]].update(one.get("names", one.get("added", ())))
        return sum(set(names) <= each for each in told.values()) == processes

    await until(heard, why=gateway.said)


async def rotated_under_load(gateway: Gateway, people: People, ring: KeyRing) -> None:
    """A rotation from end to end, while everybody asks."""
    verifier = Verifier(gateway)
    keeping = asyncio.create_task(verifier.keep())
    gateway.sonar.script = verifier.answers
    first = [await people.sign_in() for _ in range(8)]
    asking = [asyncio.create_task(people.go_on()) for _ in range(4)]
    done = await typed(gateway, "rotate")
    assert len(done["made"]) == 2
    await changes(gateway, "keys_changed", done["made"], 2)
    await changes(gateway, "keys_in_use", done["made"], 2)

    async def here_too() -> bool:
        return set(done["made"]) == set(ring.in_use) and len(people.keys()) == 2

    await until(here_too, why=gateway.said)
    asked = people.asked

    async def a_while() -> bool:
        return people.asked > asked + 50

    await until(a_while)
    people.going = False
    keeping.cancel()
    await asyncio.gather(*asking)
    assert people.refused == []
    assert len(verifier.used) == 2
    (new,) = [kid for kid in done["made"] if kid.endswith(".es256")]
    kid = new.partition(".")[0]
    assert verifier.published[kid] < verifier.used[kid] - OVERLAP / 4
    for cookie in first:
        assert (await people.ask(cookie)).status == 200


async def test_a_rotation_under_load_refuses_nobody(tmp_path: Path) -> None:
    """Two workers and a folder. The old key then leaks: who depends on it is signed out, on both,
    and nobody else."""
    keys = {"source": "var/keys", "overlap": f"{OVERLAP:.0f}s"}
    async with AsyncExitStack() as closing:
        gateway = await closing.enter_async_context(a_gateway(tmp_path, keys=keys))
        (tmp_path / "accounts.yaml").write_text(ACCOUNTS)
        await gateway.start()
        ring = KeyRing()
        watch = KeyWatch(FileKeys(gateway.folder / "var" / "keys"), ring, OVERLAP, every=0.2)
        await watch.start()
        closing.push_async_callback(watch.stop)
        store = EmbeddedStore(gateway.folder / "var" / "sessions.db")
        sessions = sessions_on(store, ring)
        await sessions.start()
        closing.push_async_callback(sessions.stop)
        people = People(gateway, sessions)
        old = ring.root_id
        await rotated_under_load(gateway, people, ring)

        done = await typed(gateway, "rotate", "--now", "--revoke", f"{old}.root")
        assert f"{old}.root" in done["removed"]
        dropped = time.monotonic()
        before = next(cookie for cookie in people.cookies if old in cookie)
        after = next(cookie for cookie in people.cookies if old not in cookie)
        refused = 0
        while refused < 20:
            assert time.monotonic() - dropped < 3.0
            refused = refused + 1 if (await people.ask(before)).status == 401 else 0
        for _ in range(20):
            assert (await people.ask(after)).status == 200
        assert await gateway.stop() == 0


async def test_replicas_share_a_rotation_by_database_and_redis(
    tmp_path: Path, postgres: Postgres, valkey: Valkey
) -> None:
    """Two workers, and another replica that signs people in; no file is shared."""
    name = postgres.new_database()
    url = Secret(postgres.url(name))
    await migrate(url)
    async with AsyncExitStack() as closing:
        closing.callback(postgres.drop_database, name)
        (tmp_path / "secret").write_text(SECRET)
        (tmp_path / "secret").chmod(0o600)
        keys = {"source": "database", "secret": "file:secret", "overlap": f"{OVERLAP:.0f}s"}
        gateway = await closing.enter_async_context(
            a_gateway(
                tmp_path,
                keys=keys,
                links={"database": url.reveal()},
                sessions={"store": valkey.url.reveal()},
            )
        )
        (tmp_path / "accounts.yaml").write_text(ACCOUNTS)
        await gateway.start()
        ring = KeyRing()
        watch = KeyWatch(DatabaseKeys(url, Secret(SECRET), None), ring, OVERLAP, every=0.2)
        await watch.start()
        closing.push_async_callback(watch.stop)
        sessions = sessions_on(RedisStore(valkey.url), ring)
        await sessions.start()
        closing.push_async_callback(sessions.stop)
        await rotated_under_load(gateway, People(gateway, sessions), ring)
        assert not (tmp_path / "var" / "keys").exists()
        assert await gateway.stop() == 0
