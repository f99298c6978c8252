"""`links list` and `links remove`."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from gateway.account.links import LinkStore
from gateway.account.migrations import migrate
from gateway.account.model import Link
from gateway.config import Config, load_config
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
    assert run("links", "list", "--account", "nobody's").stdout == "none\n"


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
    assert (result.returncode, result.stdout) == (0, "1 removed\n"), result.stderr
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


async def test_what_is_not_linked_is_said(config: Config, run: Run) -> None:
    result = run("links", "remove", "nora@acme.example", "9")
    assert (result.returncode, result.stdout) == (1, "")
    assert "nothing is linked under nora@acme.example to 9" in result.stderr
