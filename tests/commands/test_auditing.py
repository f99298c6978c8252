"""What a command does is recorded, by whom, or the command says that it could not be."""

from pathlib import Path

import pytest

from gateway.account.trail import Wanted
from gateway.commands.audit import listed
from gateway.commands.auditing import auditing, operator
from gateway.config import Config
from gateway.errors import AuditUnavailable
from gateway.operate.audit import Event, EventKind

BLOCKED = Event(EventKind.USER_BLOCKED, email="jo@acme.example", detail={"by": operator()})


async def test_a_command_is_recorded(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    async with auditing(config) as audit:
        await audit.record(BLOCKED)
    (entry,) = [entry async for entry in listed(config, Wanted(), 0)]
    assert (entry.record.event, entry.record.email) == ("user_blocked", "jo@acme.example")
    assert operator() in str(entry.record.detail)
    # Standard output is the command's own.
    assert capsys.readouterr().out == ""


async def test_a_record_that_is_not_kept_is_a_problem(
    config: Config, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.operate.audit.keeper._LAST_CHANCE", 0.2)
    (folder / "var" / "gateway.db").unlink()
    with pytest.raises(AuditUnavailable, match="done, but it could not be recorded"):
        async with auditing(config) as audit:
            audit.note(BLOCKED)
