"""`audit` and `audit verify`, as an operator runs them."""

import asyncio
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.account.migrations import migrate
from gateway.account.trail import Trail, Wanted
from gateway.commands import audit as command
from gateway.config import Config, load_config
from gateway.operate.audit.chain import Chain, Record
from tests.commands.conftest import Run
from tests.operate.audit.samples import a_record
from tests.session.samples import ring_in

REFUSED = Record(
    1764126686.123,
    "sign_in_refused",
    "blocked_user",
    "google",
    "https://accounts.google.com",
    "1001",
    "blake@acme.example",
    "acme.example",
    address="192.0.2.7",
    request_id="5d4c6b7a8f901234-7",
    detail='{"trail": ["policy \\u001b[31m", "blocked_user yes"]}',
)


@pytest.fixture
def config(folder: Path) -> Config:
    config = load_config(folder / "config.yaml")
    asyncio.run(migrate(config.links.database))
    return config


def keep(config: Config, *records: Record) -> str:
    """Keep the records as the gateway does; the last one's hash."""

    async def append() -> str:
        trail = Trail(config.links.database, Chain(ring_in(config.keys.folder)))
        try:
            return (await trail.append(records)).hash
        finally:
            await trail.close()

    return asyncio.run(append())


def tamper(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "var" / "gateway.db")) as database:
        database.execute("DROP TRIGGER IF EXISTS audit_no_update")
        database.execute("DROP TRIGGER IF EXISTS audit_no_delete")
        for statement in statements:
            database.execute(statement)
        database.commit()


def test_the_list_says_what_happened_the_newest_last(config: Config, run: Run) -> None:
    keep(config, a_record(1), REFUSED)
    told = run("audit")
    assert (told.returncode, told.stderr) == (0, "")
    first, second, *steps = told.stdout.splitlines()
    # As `explain` has them: a step a line.
    assert steps == [r'  "policy \u001b[31m"', "  blocked_user yes"]
    assert first.startswith("1970-01-01T00:00:01.000Z  sign_in  matched  email=p1@acme.example")
    assert second.startswith("2025-11-26T03:11:26.123Z  sign_in_refused  blocked_user  ")
    assert "address=192.0.2.7" in second
    # What others wrote does not write the terminal.
    assert "\x1b" not in told.stdout


def test_and_so_do_programs_read_it(config: Config, run: Run) -> None:
    last = keep(config, a_record(1), REFUSED)
    told = run("audit", "--json", "--last", "1")
    assert json.loads(told.stdout) == {
        "number": 2,
        "time": "2025-11-26T03:11:26.123Z",
        "event": "sign_in_refused",
        "reason": "blocked_user",
        "provider": "google",
        "issuer": "https://accounts.google.com",
        "subject": "1001",
        "email": "blake@acme.example",
        "domain": "acme.example",
        "address": "192.0.2.7",
        "request_id": "5d4c6b7a8f901234-7",
        "detail": {"trail": ["policy \x1b[31m", "blocked_user yes"]},
        "hash": last,
    }


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        (["--email", "Blake@acme.example"], [3]),
        (["--account", "1"], [1]),
        (["--domain", "acme.example"], [3]),
        (["--reason", "matched", "--last", "1"], [2]),
        (["--event", "sign_in_refused"], [3]),
        (["--request", "5d4c6b7a8f901234-7"], [3]),
        (["--request", "5d4c6b7a8f901234"], []),
        (["--since", "2025-11-26T03:11:26"], [3]),
        (["--since", "2025-11-26T03:11:27"], []),
        (["--since", "1h"], []),
    ],
    ids=str,
)
def test_filters(config: Config, run: Run, words: list[str], numbers: list[int]) -> None:
    keep(config, a_record(1), a_record(2), REFUSED)
    told = run("audit", "--json", *words)
    assert told.returncode == 0
    assert [json.loads(line)["number"] for line in told.stdout.splitlines()] == numbers


def test_a_request_that_nothing_was_recorded_of_is_looked_for_elsewhere(
    config: Config, run: Run
) -> None:
    keep(config, a_record(1))
    told = run("audit", "--request", "5d4c6b7a8f901234-7")
    assert (told.returncode, told.stdout) == (0, "")
    assert "access log" in told.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["--since", "yesterday"],
        ["--email", "x"],
        ["--last", "-1"],
        ["--reason", "mached"],
        ["--event", "signin"],
        ["verify", "--told", "1"],
    ],
)
def test_wrong_use(config: Config, run: Run, words: list[str]) -> None:
    assert run("audit", *words).returncode == 2


async def test_all_of_many_in_their_order(folder: Path) -> None:
    config = load_config(folder / "config.yaml")
    await migrate(config.links.database)
    trail = Trail(config.links.database, Chain(ring_in(config.keys.folder)))
    await trail.append([a_record(number % 2) for number in range(2500)])
    await trail.close()
    numbers = [entry.number async for entry in command.listed(config, Wanted(account="0"), 0)]
    assert numbers == list(range(1, 2500, 2))
    newest = [entry.number async for entry in command.listed(config, Wanted(account="0"), 1100)]
    assert newest == numbers[-1100:]


def test_a_whole_chain_is_verified(config: Config, run: Run) -> None:
    assert run("audit", "verify").returncode == 1, "without keys nobody can say"
    last = keep(config, a_record(1), a_record(2), a_record(3))
    told = run("audit", "verify", "--told", f"3:{last}")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout == f"rows 1 to 3: as they were written; the last has hash {last}\n"


def test_the_first_row_that_does_not_fit_is_named(config: Config, folder: Path, run: Run) -> None:
    last = keep(config, *(a_record(number) for number in range(1, 6)))
    tamper(folder, "UPDATE audit SET reason = 'linked' WHERE number IN (3, 4)")
    told = run("audit", "verify")
    assert told.returncode == 1
    assert told.stdout.startswith("row 3 is not what was written there")
    as_json = json.loads(run("audit", "verify", "--json").stdout)
    assert as_json["misfit"]["number"] == 3
    assert run("audit", "verify", "--after", "4").returncode == 0
    tamper(folder, "DELETE FROM audit", "DELETE FROM audit_head")
    assert run("audit", "verify").stdout == "no records\n"
    told = run("audit", "verify", "--told", f"5:{last}")
    assert (told.returncode, told.stdout) == (1, "row 1 is missing: 5 were told of elsewhere\n")


def test_no_database_is_told_in_words(folder: Path, run: Run) -> None:
    ring_in(load_config(folder / "config.yaml").keys.folder)
    told = run("audit")
    assert told.returncode == 1
    assert "there is no file" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_record_of_one_row_is_not_rows() -> None:
    from gateway.operate.audit.verify import Verdict

    one = Verdict(1, 7, "ab", 6, None)
    assert command.verdict(one) == "row 7: as they were written; the last has hash ab"
    assert command.verdict(replace(one, records=0)) == "no records"
