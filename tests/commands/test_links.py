"""`links list` and `links remove`."""

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.account.links import LinkStore
from gateway.account.migrations import migrate
from gateway.account.model import Link
from gateway.config import Config, load_config
from gateway.email import Email
from gateway.session.keys.choose import ring_for
from gateway.session.store.choose import store_for
from tests.commands.conftest import Run
from tests.session.samples import an_account, an_identity, sessions_on

NORA = an_identity("nora@acme.example", subject="nora")
JO = an_identity("jo@acme.example", subject="jo")


@pytest.fixture
async def config(folder: Path) -> Config:
    config = load_config(folder / "config.yaml")
    await migrate(config.links.database)
    links = LinkStore(config.links.database)
    await links.open()
    for identity, account, created in (
        (NORA, "id-nora", 1.0),
        (JO, "id-nora", 2.0),
        (JO, "9", 3.0),
    ):
        await links.add(Link(identity.key, account, "google", str(identity.email), created, None))
    await links.close()
    return config


async def test_links_are_listed(config: Config, run: Run) -> None:
    listed = run("links", "list")
    assert listed.returncode == 0, listed.stderr
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["id-nora", "id-nora", "9"]
    found = json.loads(run("links", "list", "--account", "id-nora", "--json").stdout)
    assert [each["email"] for each in found] == ["nora@acme.example", "jo@acme.example"]
    (one,) = json.loads(run("links", "list", "--email", "nora@acme.example", "--json").stdout)
    assert (one["subject"], one["last_used"]) == ("nora", None)
    assert one["linked"] == "1970-01-01T00:00:01Z"
    assert run("links", "list", "--account", "nobody's").stdout == "no links\n"


async def test_a_link_that_is_removed_ends_its_sessions_and_no_others(
    config: Config, run: Run
) -> None:
    sessions = sessions_on(store_for(config.sessions), await ring_for(config, make=True))
    await sessions.start()
    made = [
        await sessions.create(identity, an_account(account), None, time.time())
        for identity, account in ((NORA, "nora"), (JO, "nora"), (NORA, "other"))
    ]
    result = await asyncio.to_thread(run, "links", "remove", "nora@acme.example", "id-nora")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[0] == "1 removed"
    left = []
    for _, session in made:
        left.append(await sessions._store.load(session.key) is not None)
    assert left == [False, True, True]
    await sessions.stop()
    links = LinkStore(config.links.database)
    await links.open()
    assert await links.links_of(NORA.key) == ()
    assert list(await links.removed_of(NORA.key)) == ["id-nora"]
    assert len(await links.links_of(JO.key)) == 2
    await links.close()
    recorded = (await asyncio.to_thread(run, "audit", "--json")).stdout
    assert "link_removed" in recorded
    assert "session_ended" in recorded


async def test_who_got_in_by_the_address_does_so_no_more(config: Config, run: Run) -> None:
    """Jo linked another account; the one with his address needs no link."""
    links = LinkStore(config.links.database)
    await links.open()
    jos = Email.parse("jo@acme.example")
    await links.pin("google", jos, JO.key)
    sessions = sessions_on(store_for(config.sessions), await ring_for(config, make=True))
    await sessions.start()
    jo = replace(an_account("jo"), id="1001")
    _, session = await sessions.create(JO, jo, None, time.time())

    result = await asyncio.to_thread(run, "links", "remove", "jo@acme.example", "1001")

    assert result.returncode == 0, result.stderr
    told = result.stdout.splitlines()
    assert told[:2] == [
        "nothing was linked under jo@acme.example to 1001",
        "1 who had it by the address alone: not any more",
    ]
    assert "users block" in told[-1], "whoever comes first with it gets in"
    assert list(await links.removed_of(JO.key)) == ["1001"]
    assert len(await links.links_of(JO.key)) == 2
    assert await sessions._store.load(session.key) is None
    await sessions.stop()
    await links.close()
    again = await asyncio.to_thread(run, "links", "remove", "jo@acme.example", "1001")
    assert (again.returncode, again.stdout) == (1, "")
    assert "still an address of the account in Sonar" in again.stderr


async def test_a_link_goes_though_sonars_accounts_cannot_be_asked(
    config: Config, run: Run, folder: Path
) -> None:
    (folder / "var" / "sonar.db").unlink()
    result = run("links", "remove", "nora@acme.example", "id-nora")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[0] == "1 removed"
    assert "could not be asked" in result.stdout


async def test_what_is_not_linked_is_said(config: Config, run: Run) -> None:
    result = run("links", "remove", "nora@acme.example", "9")
    assert (result.returncode, result.stdout) == (1, "")
    assert "nothing was linked under nora@acme.example to 9" in result.stderr
