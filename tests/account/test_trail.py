"""One chain on SQLite and on PostgreSQL, whoever adds to it; and what shows when it is touched."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.account.migrations import migrate
from gateway.account.trail import Trail, Wanted
from gateway.errors import LinksUnavailable
from gateway.operate.audit.chain import Chain
from gateway.operate.audit.verify import Verdict, verify
from tests.account.conftest import Sql
from tests.operate.audit.samples import FOREIGN, NEW, OLD, a_record, ring

CHAIN = Chain(ring(NEW))
ALL = Wanted()


@pytest.fixture
async def trail(sql: Sql) -> AsyncIterator[Trail]:
    await migrate(sql.url)
    trail = Trail(sql.url, CHAIN)
    yield trail
    await trail.close()


async def unguard(sql: Sql) -> None:
    """What an attacker who owns the table does first."""
    if sql.is_sqlite:
        await sql.execute("DROP TRIGGER audit_no_update", "DROP TRIGGER audit_no_delete")
    else:
        await sql.execute("DROP TRIGGER audit_rows ON audit", "DROP TRIGGER audit_whole ON audit")


async def judged(trail: Trail, after: int = 0) -> Verdict:
    return await verify(trail, CHAIN, after=after)


async def test_records_are_kept_as_they_were_given(trail: Trail) -> None:
    odd = a_record(2, subject="Ω 'quoted' \\ \n\u2028", detail='{"trail": ["a"]}')
    await trail.append([replace(a_record(1), time=1764126686.123), odd])
    entries = await trail.entries(0, 10)
    assert [entry.record for entry in entries] == [replace(a_record(1), time=1764126686.123), odd]
    assert [entry.number for entry in entries] == [1, 2]
    assert await judged(trail) == Verdict(2, 2, entries[-1].hash, 0, None)


async def test_before_the_first_record_all_is_well(trail: Trail) -> None:
    assert (await judged(trail)).misfit is None


async def test_many_at_once_make_one_chain(sql: Sql, trail: Trail) -> None:
    trails = [Trail(sql.url, CHAIN, timeout=30.0) for _ in range(4)]

    async def append(writer: int) -> None:
        for number in range(10):
            await trails[writer].append([a_record(number, session=f"{writer}.{number}")] * 2)

    await asyncio.gather(*(append(writer) for writer in range(4)))
    for each in trails:
        await each.close()
    verdict = await judged(trail)
    assert (verdict.records, verdict.number, verdict.misfit) == (80, 80, None)
    entries = await trail.entries(0, 100)
    for writer in range(4):
        own = [e.record.session for e in entries if str(e.record.session).startswith(f"{writer}.")]
        assert own == [f"{writer}.{number}" for number in range(10) for _ in range(2)]


async def test_the_table_is_only_added_to(sql: Sql, trail: Trail) -> None:
    await trail.append([a_record(1)])
    statements = ["UPDATE audit SET account = '2'", "DELETE FROM audit"]
    for statement in statements if sql.is_sqlite else [*statements, "TRUNCATE audit"]:
        with pytest.raises(Exception, match="only added to"):
            await sql.execute(statement)
    assert len(await trail.entries(0, 10)) == 1


TAMPERED = {
    "changed": ("UPDATE audit SET account = '666' WHERE number = 3", 3, "changed"),
    "a time changed": ("UPDATE audit SET time = 3.001 WHERE number = 3", 3, "changed"),
    "a field emptied": ("UPDATE audit SET email = NULL WHERE number = 3", 3, "changed"),
    "removed": ("DELETE FROM audit WHERE number = 3", 3, "is missing: 4 comes after 2"),
    "the first removed": ("DELETE FROM audit WHERE number = 1", 1, "is missing"),
    "the end cut off": ("DELETE FROM audit WHERE number > 3", 4, "all after it: 6 were written"),
    "all removed": ("DELETE FROM audit", 1, "is missing, and all after it"),
    "the head cut off": ("DELETE FROM audit_head", 6, "has no head"),
    "the head moved back": ("UPDATE audit_head SET number = 5", 5, "not vouched for"),
    "trimmed by somebody else": ("UPDATE audit_head SET trimmed = 2", 3, "changed, moved"),
    "one put in at the end": (
        "INSERT INTO audit (number, time, event, hash, key_id, mac)"
        " SELECT 7, time, event, hash, key_id, mac FROM audit WHERE number = 6",
        7,
        "was put in",
    ),
    "a mac made up": ("UPDATE audit SET mac = hash WHERE number = 5", 5, "does not have the key"),
}


@pytest.mark.parametrize(("statement", "number", "wrong"), TAMPERED.values(), ids=TAMPERED)
async def test_the_first_record_that_does_not_fit_is_named(
    sql: Sql, trail: Trail, statement: str, number: int, wrong: str
) -> None:
    await trail.append([a_record(each) for each in range(1, 7)])
    await unguard(sql)
    await sql.execute(statement)
    misfit = (await judged(trail)).misfit
    assert misfit is not None
    assert misfit.number == number
    assert wrong in misfit.wrong


async def test_two_records_that_changed_places_show(sql: Sql, trail: Trail) -> None:
    await trail.append([a_record(each) for each in range(1, 5)])
    await unguard(sql)
    await sql.execute(
        "UPDATE audit SET number = 99 WHERE number = 2",
        "UPDATE audit SET number = 2 WHERE number = 3",
        "UPDATE audit SET number = 3 WHERE number = 99",
    )
    misfit = (await judged(trail)).misfit
    assert misfit is not None
    assert misfit.number == 2


async def test_who_has_no_key_cannot_write_the_chain_anew(sql: Sql, trail: Trail) -> None:
    """All hashes right, head included: an attacker computes those as we do."""
    records = [a_record(each) for each in range(1, 5)]
    await trail.append(records)
    await unguard(sql)
    await sql.execute("DELETE FROM audit", "DELETE FROM audit_head")
    attacker = Trail(sql.url, Chain(ring(FOREIGN)))
    await attacker.append([*records[:2], a_record(3, account="666"), records[3]])
    await attacker.close()
    await sql.execute((f"UPDATE audit SET key_id = '{NEW}'", {}))  # noqa: S608 - a constant
    misfit = (await judged(trail)).misfit
    assert misfit is not None
    assert (misfit.number, misfit.wrong) == (1, "was written by somebody who does not have the key")
    await sql.execute((f"UPDATE audit SET key_id = '{FOREIGN}'", {}))  # noqa: S608 - a constant
    misfit = (await judged(trail)).misfit
    assert misfit is not None
    assert "the head was made with no key that is here" in misfit.wrong


@pytest.mark.parametrize("seen", [True, False], ids=["same process", "another process"])
@pytest.mark.parametrize(
    ("statements", "why"),
    [
        (("DELETE FROM audit WHERE number > 2", "DELETE FROM audit_head"), "head of the chain"),
        (("DELETE FROM audit WHERE number > 2",), "4 were written, 2 is the last"),
        (("UPDATE audit_head SET trimmed = 4", "DELETE FROM audit"), "not made with a key"),
    ],
    ids=["with the head", "without the head", "as if trimmed"],
)
async def test_a_tail_cut_off_stays_known_when_records_follow(
    sql: Sql, trail: Trail, statements: tuple[str, ...], why: str, seen: bool
) -> None:
    """Else the next append, by us, would mend what the attacker could not."""
    await trail.append([a_record(each) for each in range(1, 5)])
    await unguard(sql)
    await sql.execute(*statements)
    next_trail = trail if seen else Trail(sql.url, CHAIN)
    await next_trail.append([a_record(5)])
    await next_trail.append([a_record(6)])
    found = await trail.find(Wanted(event="audit_broken"), None, 10)
    assert len(found) == 1
    assert why in str(found[0].record.detail)
    assert (await judged(trail)).misfit is not None
    if next_trail is not trail:
        await next_trail.close()


async def test_who_was_there_notices_that_all_is_gone(sql: Sql, trail: Trail) -> None:
    await trail.append([a_record(1), a_record(2)])
    await unguard(sql)
    await sql.execute("DELETE FROM audit", "DELETE FROM audit_head")
    await trail.append([a_record(3)])
    assert [entry.record.event for entry in await trail.entries(0, 10)] == [
        "audit_broken",
        "sign_in",
    ]


async def put_back(sql: Sql, trail: Trail) -> None:
    """Have two records written, and then the state of before the second one again."""
    await trail.append([a_record(1)])
    head, _ = await trail.head()
    assert head is not None
    await trail.append([a_record(2)])
    await unguard(sql)
    await sql.execute(
        "DELETE FROM audit WHERE number = 2",
        f"UPDATE audit_head SET number = 1, hash = '{head.hash}', mac = '{head.mac}'",  # noqa: S608
    )


async def test_who_was_there_notices_an_older_state(sql: Sql, trail: Trail) -> None:
    await put_back(sql, trail)
    # Nobody can tell from the table alone: it is as it was.
    assert (await judged(trail)).misfit is None
    told = await verify(trail, CHAIN, told={2: "whatever was in the log"})
    assert told.misfit is not None
    assert (told.misfit.number, told.misfit.wrong) == (2, "is missing: 2 were told of elsewhere")
    await trail.append([a_record(3)])
    misfit = (await judged(trail)).misfit
    assert misfit is not None
    assert "an older state was put back: 2 were written" in misfit.wrong


async def test_who_was_there_notices_that_others_went_on_from_an_older_state(
    sql: Sql, trail: Trail
) -> None:
    await put_back(sql, trail)
    newcomer = Trail(sql.url, CHAIN)
    await newcomer.append([a_record(3)])
    await newcomer.close()
    assert (await judged(trail)).misfit is None
    await trail.append([a_record(4)])
    misfit = (await judged(trail)).misfit
    assert misfit is not None
    assert "record 2 is another one than was written" in misfit.wrong


async def test_what_was_told_elsewhere_has_to_be_there(trail: Trail) -> None:
    head = await trail.append([a_record(1), a_record(2)])
    assert (await verify(trail, CHAIN, told={2: head.hash})).misfit is None
    misfit = (await verify(trail, CHAIN, told={1: head.hash})).misfit
    assert misfit is not None
    assert (misfit.number, misfit.wrong) == (1, "is another one than was told elsewhere")


async def test_after_a_record_that_is_believed_the_rest_is_looked_at(
    sql: Sql, trail: Trail
) -> None:
    await trail.append([a_record(each) for each in range(1, 6)])
    await unguard(sql)
    await sql.execute("UPDATE audit SET account = '666' WHERE number = 2")
    assert (await judged(trail, after=1)).misfit is not None
    assert (await judged(trail, after=2)).misfit is None
    assert (await judged(trail, after=2)).records == 3
    assert (await judged(trail, after=7)).misfit is not None


async def test_a_chain_outlives_its_keys(sql: Sql, trail: Trail) -> None:
    old, both, new = (Trail(sql.url, Chain(ring(*ids))) for ids in ((OLD,), (OLD, NEW), (NEW,)))
    await old.append([a_record(1)])
    await both.append([a_record(2)])
    await new.append([a_record(3)])
    assert (await judged(trail)).misfit is None
    await unguard(sql)
    await sql.execute("UPDATE audit SET account = '666' WHERE number = 1")
    misfit = (await judged(trail)).misfit
    assert misfit is not None
    assert misfit.number == 1
    for each in (old, both, new):
        await each.close()


async def test_on_a_quiet_gateway_a_key_may_go_too(sql: Sql, trail: Trail) -> None:
    old, both = Trail(sql.url, Chain(ring(OLD))), Trail(sql.url, Chain(ring(OLD, NEW)))
    await old.append([a_record(1)])
    assert "no key that is here" in str((await judged(trail)).misfit)
    assert await both.trim(0.0) == 0
    assert (await judged(trail)).misfit is None
    await trail.append([a_record(2)])
    assert [entry.record.event for entry in await trail.entries(0, 10)] == ["sign_in", "sign_in"]
    for each in (old, both):
        await each.close()


async def test_the_oldest_are_trimmed_and_the_rest_is_a_chain(trail: Trail) -> None:
    # The third was late: nothing after it goes before it does.
    times = [1.0, 2.0, 50.0, 3.0, 60.0]
    await trail.append([replace(a_record(1), time=time) for time in times])
    assert await trail.trim(10.0) == 2
    assert await trail.trim(10.0) == 0
    assert [entry.number for entry in await trail.entries(0, 10)] == [3, 4, 5]
    verdict = await judged(trail)
    assert (verdict.records, verdict.trimmed, verdict.misfit) == (3, 2, None)
    await trail.append([a_record(70)])
    assert (await judged(trail)).misfit is None


async def test_all_may_be_trimmed(trail: Trail) -> None:
    await trail.append([a_record(1), a_record(2)])
    assert await trail.trim(10.0) == 2
    assert (await judged(trail)).misfit is None
    await trail.append([a_record(3)])
    verdict = await judged(trail)
    assert (verdict.records, verdict.number, verdict.misfit) == (1, 3, None)


async def test_more_missing_than_was_trimmed_shows(sql: Sql, trail: Trail) -> None:
    await trail.append([a_record(each) for each in range(1, 5)])
    await trail.trim(2.5)
    await unguard(sql)
    await sql.execute("DELETE FROM audit WHERE number = 3")
    misfit = (await judged(trail)).misfit
    assert misfit is not None
    assert misfit.number == 3


async def test_a_chain_that_is_not_ours_is_not_trimmed(sql: Sql, trail: Trail) -> None:
    await trail.append([a_record(1), a_record(2)])
    await unguard(sql)
    await sql.execute("UPDATE audit_head SET number = 9")
    assert await trail.trim(10.0) == 0
    assert len(await trail.entries(0, 10)) == 2


async def test_what_was_kept_after_all_is_not_kept_twice(
    trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that breaks at the commit leaves open whether it was done."""
    from sqlalchemy.ext.asyncio import AsyncConnection

    commit = AsyncConnection.commit

    async def break_after(connection: AsyncConnection) -> None:
        await commit(connection)
        raise OSError("connection lost")

    records = [a_record(1), a_record(2)]
    monkeypatch.setattr(AsyncConnection, "commit", break_after)
    with pytest.raises(LinksUnavailable):
        await trail.append(records)
    monkeypatch.undo()
    await trail.append([records[1], a_record(3)])
    await trail.append([])
    assert [entry.record.account for entry in await trail.entries(0, 10)] == ["1", "2", "3"]
    assert (await judged(trail)).misfit is None


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (ALL, [4, 3, 2, 1]),
        (Wanted(event="sign_in"), [4, 2, 1]),
        (Wanted(reason="blocked_user"), [3]),
        (Wanted(email="p1@acme.example"), [4, 1]),
        (Wanted(account="2"), [2]),
        (Wanted(domain="acme.example", since=2.0), [3]),
        (Wanted(since=2.0), [4, 3, 2]),
        (Wanted(email="p1@acme.example", reason="blocked_user"), []),
    ],
    ids=str,
)
async def test_wanted_ones_are_found(trail: Trail, wanted: Wanted, numbers: list[int]) -> None:
    refused = replace(a_record(3, reason="blocked_user"), event="sign_in_refused")
    await trail.append(
        [
            a_record(1, domain="acme.example"),
            a_record(2),
            replace(refused, domain="acme.example"),
            replace(a_record(1), time=4.0, account="9"),
        ]
    )
    assert [entry.number for entry in await trail.find(wanted, None, 10)] == numbers
    assert [entry.number for entry in await trail.find(wanted, 3, 1)] == [
        number for number in numbers if number < 3
    ][:1]


async def test_a_database_that_is_gone_is_unavailable(sql: Sql, trail: Trail) -> None:
    await sql.execute("ALTER TABLE audit RENAME TO gone")
    with pytest.raises(LinksUnavailable):
        await trail.append([a_record(1)])
    with pytest.raises(LinksUnavailable):
        await judged(trail)
    await sql.execute("ALTER TABLE gone RENAME TO audit")
    await trail.append([a_record(1)])
    assert (await judged(trail)).records == 1
