"""Events become lines at once and records soon, whatever the database is doing."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.account.migrations import migrate
from gateway.account.trail import Trail
from gateway.config import Audit as Settings
from gateway.errors import AuditUnavailable
from gateway.operate.audit import Audit, Event, EventKind
from gateway.operate.audit.chain import Chain, Record
from gateway.operate.audit.verify import verify
from gateway.operate.metrics import Counters
from gateway.reasons import Reason
from gateway.secret import Secret
from tests.operate.audit.samples import NEW, ring
from tests.session.samples import Clock, an_identity, until

SIGN_IN = Event(EventKind.SIGN_IN, Reason.MATCHED, an_identity(), account="7", session="ab")
SIGNED_OUT = Event(EventKind.SIGNED_OUT, identity=an_identity(), account="7", session="ab")
REQUIRED = Settings(required=True)
CHAIN = Chain(ring(NEW))


@pytest.fixture
async def trail(tmp_path: Path) -> AsyncIterator[Trail]:
    url = Secret(f"sqlite:///{tmp_path}/gateway.db")
    await migrate(url)
    trail = Trail(url, CHAIN)
    yield trail
    await trail.close()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "gateway.db"


async def kept(trail: Trail) -> list[Record]:
    return [entry.record for entry in await trail.entries(0, 20_000)]


async def is_kept(trail: Trail, number: int) -> list[Record]:
    """Wait for this many records."""
    for _ in range(1000):
        if len(records := await kept(trail)) >= number:
            return records
        await asyncio.sleep(0.01)
    raise AssertionError("waited in vain")


def break_it(database: Path) -> None:
    database.rename(database.with_suffix(".gone"))


def mend_it(database: Path) -> None:
    database.with_suffix(".gone").rename(database)


async def test_an_event_is_a_line_at_once() -> None:
    refused = Event(
        EventKind.SIGN_IN_REFUSED,
        Reason.BLOCKED_USER,
        email="blake@acme.example",
        detail={"trail": ("blocked_user yes",), "replaced": None},
    )
    with capture_logs() as logs:
        Audit().note(refused)
        await Audit().record(refused)
    assert logs[0] == logs[1]
    assert logs[0] == {
        "event": "sign_in_refused",
        "log_level": "info",
        "reason": "blocked_user",
        "email": "blake@acme.example",
        "detail": {"trail": ("blocked_user yes",)},
    }


async def test_and_a_record_soon(trail: Trail) -> None:
    clock = Clock(1764126686.12345)
    audit = Audit(clock=clock)
    before = Event(EventKind.POLICY_CHANGED, domain="acme.example")
    audit.note(before)
    audit.start(trail)
    event = Event(
        EventKind.SIGN_IN,
        Reason.CHOSEN,
        an_identity(),
        account="7",
        address="192.0.2.7",
        request_id="r-1",
        session="ab",
        detail={"replaced": "cd", "nothing": None},
    )
    await audit.record(event)
    assert await audit.close() == 0
    first, second = await kept(trail)
    assert (first.event, first.domain) == ("policy_changed", "acme.example")
    identity = an_identity()
    assert second == Record(
        1764126686.123,
        "sign_in",
        "chosen",
        "google",
        identity.key.issuer,
        identity.key.subject,
        "jo@acme.example",
        "acme.example",
        "7",
        "192.0.2.7",
        "r-1",
        "ab",
        json.dumps({"replaced": "cd"}),
    )


async def test_what_others_wrote_is_made_fit_to_keep(trail: Trail) -> None:
    audit = Audit()
    audit.start(trail)
    audit.note(Event(EventKind.SIGNED_OUT, account="a\0b\ud800", request_id="x" * 5000))
    await audit.close()
    (record,) = await kept(trail)
    assert record.account == "a\ufffdb?"
    assert record.request_id == "x" * 1000 + "…"


@pytest.mark.parametrize("settings", [Settings(), REQUIRED], ids=["as it may", "required"])
async def test_a_busy_process_writes_many_at_once(
    trail: Trail, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    appends: list[int] = []
    append = trail.append

    async def counted(records: list[Record]) -> object:
        appends.append(len(records))
        return await append(records)

    monkeypatch.setattr(trail, "append", counted)
    audit = Audit(settings)
    audit.start(trail)
    await asyncio.gather(*(audit.record(SIGN_IN) for _ in range(300)))
    await audit.close()
    assert sum(appends) == 300
    assert len(appends) <= 5
    verdict = await verify(trail, CHAIN)
    assert (verdict.records, verdict.misfit) == (300, None)


async def test_where_it_is_required_a_sign_in_waits_for_its_record(trail: Trail) -> None:
    audit = Audit(REQUIRED)
    audit.start(trail)
    await audit.record(SIGN_IN)
    assert [record.event for record in await kept(trail)] == ["sign_in"]
    await audit.close()


async def test_where_it_is_required_a_gone_database_stops_it(trail: Trail, database: Path) -> None:
    audit = Audit(REQUIRED)
    audit.start(trail)
    break_it(database)
    with capture_logs() as logs, pytest.raises(AuditUnavailable):
        await audit.record(SIGN_IN)
    assert [entry["event"] for entry in logs] == ["audit_failing"]
    # Whatever takes access away goes on, and its record waits.
    await asyncio.wait_for(audit.record(SIGNED_OUT), 0.5)
    with pytest.raises(AuditUnavailable):
        await asyncio.wait_for(audit.record(SIGN_IN), 0.5)
    mend_it(database)
    await is_kept(trail, 1)
    await audit.record(SIGN_IN)
    # A sign-in that did not happen is not among them.
    assert [record.event for record in await kept(trail)] == ["signed_out", "sign_in"]
    await audit.close()


async def test_where_it_is_not_nobody_notices(trail: Trail, database: Path) -> None:
    counters = Counters()
    audit = Audit(counters=counters)
    audit.start(trail)
    break_it(database)
    with capture_logs() as logs:
        await audit.record(SIGN_IN)
        await until(lambda: any(entry["event"] == "audit_failing" for entry in logs))
        await asyncio.wait_for(audit.record(SIGN_IN), 0.5)
        assert counters.audit_waiting() == 2
        mend_it(database)
        await is_kept(trail, 2)
        await until(lambda: logs[-1]["event"] == "audit_head")
    assert [entry["event"] for entry in logs].count("audit_failing") == 1
    assert "audit_kept_again" in [entry["event"] for entry in logs]
    assert counters.audit_waiting() == 0
    await audit.close()


class Slow:
    """A database that takes its time: until the test lets it go on."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self.go_on = asyncio.Event()
        self.hangs = False

    async def append(self, records: list[Record]) -> object:
        self.hangs = not self.go_on.is_set()
        await self.go_on.wait()
        return await self._trail.append(records)

    async def trim(self, before: float) -> int:
        return await self._trail.trim(before)


async def test_that_it_is_slow_stops_nobody(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.operate.audit.keeper._PATIENCE", 0.05)
    slow = Slow(trail)
    audit = Audit(REQUIRED)
    audit.start(slow)  # type: ignore[arg-type]
    await asyncio.wait_for(audit.record(SIGN_IN), 2.0)
    assert await kept(trail) == []
    slow.go_on.set()
    await audit.close()
    assert [record.event for record in await kept(trail)] == ["sign_in"]


async def test_what_somebody_gave_up_waiting_for_is_not_recorded_later(
    trail: Trail, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database fails, then takes its time: the sign-in that was refused meanwhile is none."""
    monkeypatch.setattr("gateway.operate.audit.keeper._PATIENCE", 0.05)
    slow = Slow(trail)
    slow.go_on.set()
    audit = Audit(REQUIRED)
    audit.start(slow)  # type: ignore[arg-type]
    break_it(database)
    audit.note(SIGNED_OUT)
    await until(lambda: audit._writer.is_failing)
    slow.go_on.clear()
    # The writer hangs with what was there; this one comes after it.
    await until(lambda: slow.hangs)
    with pytest.raises(AuditUnavailable):
        await audit.record(SIGN_IN)
    mend_it(database)
    slow.go_on.set()
    await audit.close()
    assert [record.event for record in await kept(trail)] == ["signed_out"]


async def test_the_queue_has_an_end_and_what_was_left_out_is_kept_as_a_count(
    trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.operate.audit.waiting._MOST", 3)
    counters = Counters()
    audit = Audit(counters=counters)
    for _ in range(5):
        audit.note(SIGNED_OUT)
    assert counters.audit_lost == 2
    audit.start(trail)
    await is_kept(trail, 4)
    await audit.close()
    last = (await kept(trail))[-1]
    assert last.event == "records_left_out"
    assert json.loads(last.detail or "") == {"flood": 0, "behind": 2}


async def test_a_full_queue_stops_who_must_be_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.operate.audit.waiting._MOST", 1)
    audit = Audit(REQUIRED)
    audit.note(SIGNED_OUT)
    with capture_logs() as logs, pytest.raises(AuditUnavailable):
        await audit.record(SIGN_IN)
    assert logs == []


async def test_a_flood_of_refusals_leaves_room_for_the_rest(trail: Trail) -> None:
    """Anybody can be refused, as often as they like."""
    counters = Counters()
    audit = Audit(counters=counters, clock=Clock(1_000_000.0))
    for number in range(670):
        audit.note(
            Event(
                EventKind.SIGN_IN_REFUSED,
                Reason.TRANSACTION_UNKNOWN,
                address="192.0.2.7",
                request_id=str(number),
            )
        )
    audit.note(SIGNED_OUT)
    audit.start(trail)
    await is_kept(trail, 602)
    await audit.close()
    assert counters.audit_lost == 70
    records = await kept(trail)
    assert [record.event for record in records].count("sign_in_refused") == 600
    assert records[600].event == "signed_out"
    assert json.loads(records[601].detail or "") == {"flood": 70, "behind": 0}


async def test_what_is_older_than_it_is_kept_goes(trail: Trail) -> None:
    clock = Clock(1_000_000.0)
    first = Audit(clock=clock)
    first.start(trail)
    first.note(SIGNED_OUT)
    await first.close()
    clock.pass_by(3600.0)
    audit = Audit(Settings(keep="30m"), clock=clock)
    audit.start(trail)
    with capture_logs() as logs:
        await until(lambda: "audit_head" in [entry["event"] for entry in logs])
    await audit.close()
    assert [record.event for record in await kept(trail)] == ["audit_trimmed"]
    assert (await verify(trail, CHAIN)).misfit is None


async def test_at_the_end_what_is_not_written_is_said(
    trail: Trail, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.operate.audit.keeper._LAST_CHANCE", 0.2)
    counters = Counters()
    audit = Audit(counters=counters)
    audit.start(trail)
    break_it(database)
    audit.note(SIGNED_OUT)
    with capture_logs() as logs:
        assert await audit.close() == 1
    assert {"event": "audit_lost", "records": 1, "log_level": "error"} in logs
    assert counters.audit_lost == 1
    mend_it(database)
