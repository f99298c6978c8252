"""A change of the policies ends sessions; both are recorded once, however many processes act."""

import asyncio
import os
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
from tests.session.samples import an_account, an_identity, new_keys, sessions_on

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
