"""A change of the policies ends sessions; both are recorded once, however many processes act."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.email import Email
from gateway.errors import SessionsUnavailable
from gateway.operate.audit import Audit
from gateway.policy.model import Policies, Policy, ProviderRule, Sso
from gateway.session.disallowed import PolicyRecords
from gateway.session.live import Sessions
from gateway.session.store.embedded import EmbeddedStore
from gateway.session.store.redis import RedisStore
from tests.servers.valkey import Valkey
from tests.session.samples import an_account, an_identity, new_keys, sessions_on, settled, until

ON = Policy("acme.example", Sso.ON, providers={"google": ProviderRule()})
BLOCKED = replace(ON, blocked_users=frozenset({Email.parse("jo@acme.example")}))
ALLOW, BLOCK = Policies({"acme.example": ON}), Policies({"acme.example": BLOCKED})


class Process:
    def __init__(self, sessions: Sessions, records: PolicyRecords) -> None:
        self.sessions = sessions
        self.records = records


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "acme.yaml").write_text("one")
    return tmp_path / "policies"


@pytest.fixture
async def processes(tmp_path: Path, folder: Path) -> AsyncIterator[list[Process]]:
    """Three, on one store and one folder."""
    keys = new_keys(tmp_path)
    async with AsyncExitStack() as closing:
        made = []
        for _ in range(3):
            store = EmbeddedStore(tmp_path / "sessions.db")
            sessions = sessions_on(store, keys)
            await sessions.start()
            closing.push_async_callback(sessions.stop)
            records = PolicyRecords(folder, sessions, store.named, Audit())
            made.append(Process(sessions, records))
        yield made


async def act(processes: list[Process], old: Policies, new: Policies) -> list[dict[str, Any]]:
    """All of them see the change; the records."""
    with capture_logs() as logs:
        await asyncio.gather(*(each.records.end_disallowed(old, new) for each in processes))
    return [dict(entry) for entry in logs]


async def test_a_blocked_person_is_two_records(processes: list[Process]) -> None:
    identity = an_identity()
    _, session = await processes[0].sessions.create(identity, an_account(), ON, 1.0e12)
    told = await act(processes, ALLOW, BLOCK)
    assert [entry["event"] for entry in told] == ["policy_changed", "session_ended"]
    change, ended = told
    assert change["domain"] == "acme.example"
    assert change["detail"]["what"] == ("blocked_users: + jo@acme.example",)
    assert ended["reason"] == "blocked_user"
    assert ended["account"] == "id-jo"
    assert ended["session"] == session.public_id
    assert ended["email"] == "jo@acme.example"
    assert ended["detail"] == {"by": "policy"}


async def test_the_same_change_made_again_is_recorded_again(
    processes: list[Process], folder: Path
) -> None:
    """Else whoever edits the files could leave the record at the state before."""
    file = folder / "acme.yaml"
    for number, (old, new) in enumerate(((ALLOW, BLOCK), (BLOCK, ALLOW), (ALLOW, BLOCK))):
        os.utime(file, ns=(0, 1_000_000_000 + number))
        told = await act(processes, old, new)
        assert [entry["event"] for entry in told] == ["policy_changed"]


async def test_what_is_in_force_from_the_start_on_is_told_once(processes: list[Process]) -> None:
    with capture_logs() as logs:
        for each in processes:
            await each.records.loaded(ALLOW)
    (entry,) = logs
    assert entry["event"] == "policies_loaded"
    assert entry["detail"]["domains"] == 1


async def test_without_the_store_it_is_recorded_all_the_same(
    processes: list[Process], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def gone(_name: str, _seconds: float) -> bool:
        raise SessionsUnavailable("gone")

    monkeypatch.setattr(processes[0].records._named, "first", gone)
    told = await act(processes[:1], ALLOW, BLOCK)
    assert [entry["event"] for entry in told] == ["policy_changed"]


async def test_who_is_blocked_while_redis_is_gone_is_out_and_recorded_once_when_it_is_back(
    tmp_path: Path, folder: Path, own_valkey: Valkey
) -> None:
    """Of three processes one knows the session, and another was made in none of them."""
    keys = new_keys(tmp_path)
    async with AsyncExitStack() as closing:
        processes = []
        for _ in range(4):
            store = RedisStore(own_valkey.url)
            sessions = sessions_on(store, keys)
            await sessions.start()
            closing.push_async_callback(sessions.stop)
            records = PolicyRecords(folder, sessions, sessions.named, Audit())
            processes.append(Process(sessions, records))
        *acting, maker = processes
        made = [
            await each.sessions.create(an_identity(), an_account(), ON, time.time())
            for each in (acting[0], maker)
        ]
        own_valkey.freeze()
        with capture_logs() as logs:
            await asyncio.gather(*(each.records.end_disallowed(ALLOW, BLOCK) for each in acting))
            assert acting[0].sessions.peek(made[0][0], time.time()) is None
            own_valkey.thaw()
            for each in acting:
                await until(lambda each=each: settled(each.sessions))  # type: ignore[misc]
        told = [entry for entry in logs if entry["event"] == "session_ended"]
        assert sorted(entry["session"] for entry in told) == sorted(
            session.public_id for _, session in made
        )
        assert {entry["reason"] for entry in told} == {"blocked_user"}
        assert await maker.sessions._store.all() == ()
        pending = [entry for entry in logs if entry["event"] == "policy_endings_pending"]
        assert {entry["reason"] for entry in pending} == {"sessions_unavailable"}
