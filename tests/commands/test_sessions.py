"""`sessions list` and `sessions revoke`, as another process than the gateway, on both stores."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from gateway.account.migrations import migrate
from gateway.account.trail import Wanted
from gateway.cli import main
from gateway.commands.audit import listed
from gateway.commands.sessions import as_text
from gateway.config import Config, load_config
from gateway.session.keys.choose import ring_for
from gateway.session.live import Live, Sessions
from gateway.session.model import Session
from gateway.session.store.choose import store_for
from tests.commands.conftest import Run
from tests.servers.valkey import Valkey
from tests.session.samples import an_account, an_identity, sessions_on, until


@pytest.fixture(params=["embedded", "redis"])
async def config(request: pytest.FixtureRequest, folder: Path) -> Config:
    if request.param == "redis":
        valkey: Valkey = request.getfixturevalue("valkey")
        path = folder / "config.yaml"
        content = yaml.safe_load(path.read_text())
        content["sessions"] = {"store": valkey.url.reveal()}
        path.write_text(yaml.safe_dump(content))
    config = load_config(folder / "config.yaml")
    await migrate(config.links.database)
    return config


@pytest.fixture
async def gateway(config: Config) -> AsyncIterator[Sessions]:
    """What a gateway has of the same sessions."""
    sessions = sessions_on(store_for(config.sessions), await ring_for(config, make=True))
    await sessions.start()
    yield sessions
    await sessions.stop()


def invoke(config: Config, *words: str, code: int = 0) -> str:
    """Run the command in this process, on a loop of its own: a new one takes seconds to start."""
    file = str(config.policies.parent / "config.yaml")
    result = CliRunner().invoke(main, ["--config", file, *words])
    assert result.exit_code == code, result.stderr
    return result.stdout


async def sign_in(gateway: Sessions, username: str) -> tuple[str, Live]:
    email = f"{username}@acme.example"
    cookie, _ = await gateway.create(
        an_identity(email, subject=username), an_account(username, email), None, time.time()
    )
    live = gateway.peek(cookie, time.time())
    assert isinstance(live, Live)
    return cookie, live


async def test_nobody_is_listed_and_nothing_is_made(config: Config, run: Run) -> None:
    listed = run("sessions", "list")
    assert (listed.returncode, listed.stdout) == (0, "no sessions\n"), listed.stderr
    assert json.loads(run("sessions", "list", "--json").stdout) == []
    assert run("sessions", "revoke", "--all").stdout == "0 ended\n"
    slip = run("sessions", "revoke", "--email", "noboddy@acme.example")
    assert (slip.returncode, slip.stdout) == (1, "0 ended\n")
    assert "nobody fits that" in slip.stderr
    assert not config.sessions.path.exists()


async def test_who_is_signed_in(config: Config, gateway: Sessions, run: Run) -> None:
    _, jo = await sign_in(gateway, "jo")
    _, al = await sign_in(gateway, "al")
    text = (await asyncio.to_thread(run, "sessions", "list")).stdout.splitlines()
    assert len(text) == 3
    assert [line.split()[0] for line in text] == [
        "session",
        al.session.public_id,
        jo.session.public_id,
    ]
    found = await asyncio.to_thread(run, "sessions", "list", "--email", "jo@acme.example", "--json")
    (one,) = json.loads(found.stdout)
    assert one["session"] == jo.session.public_id
    assert one["account"] == {"id": "id-jo", "username": "jo"}
    assert (one["email"], one["provider"]) == ("jo@acme.example", "google")
    assert one["since"] <= one["seen"] < one["until"]
    # Nothing that would let its reader in.
    assert jo.session.key not in json.dumps(one)


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["--email", "jo@acme.example"], ["al"]),
        (["--account", "id-jo"], ["al"]),
        (["--username", "al"], ["jo"]),
        (["--session", "of jo"], ["al"]),
        (["--email", "jo@acme.example", "--username", "al"], ["jo", "al"]),
        (["--all"], []),
    ],
)
async def test_what_is_revoked_ends_at_the_gateway_within_a_second(
    words: list[str], left: list[str], config: Config, gateway: Sessions
) -> None:
    signed_in = {name: await sign_in(gateway, name) for name in ("jo", "al")}
    closed: list[str] = []
    for name, (_, live) in signed_in.items():
        live.closers.add(lambda name=name: closed.append(name))  # type: ignore[misc]
    named = [w.replace("of jo", signed_in["jo"][1].session.public_id) for w in words]
    gone = {"jo", "al"} - set(left)
    code = 0 if gone else 1
    ended = await asyncio.to_thread(
        invoke, config, "sessions", "revoke", *named, "--json", code=code
    )
    assert {one["account"]["username"] for one in json.loads(ended)} == gone
    await until(lambda: set(closed) == gone, within=1.0)
    for name, (cookie, _) in signed_in.items():
        assert (gateway.peek(cookie, time.time()) is not None) == (name in left)
    records = [entry async for entry in listed(config, Wanted("session_ended"), 0)]
    assert {entry.record.account for entry in records} == {f"id-{name}" for name in gone}
    assert {entry.record.reason for entry in records} <= {"revoked"}


@pytest.mark.parametrize("words", [[], ["--all", "--email", "jo@acme.example"], ["--email", "jo"]])
def test_whose_must_be_said(words: list[str], folder: Path, run: Run) -> None:
    assert run("sessions", "revoke", *words).returncode == 2


async def test_a_store_that_does_not_answer_is_said(folder: Path, run: Run) -> None:
    path = folder / "config.yaml"
    content = yaml.safe_load(path.read_text())
    content["sessions"] = {"store": "redis://127.0.0.1:1/0"}
    path.write_text(yaml.safe_dump(content))
    result = run("sessions", "revoke", "--all")
    assert (result.returncode, result.stdout) == (1, "")
    assert "Redis" in result.stderr
    assert "Traceback" not in result.stderr


def test_what_a_username_holds_does_not_write_the_terminal() -> None:
    username = "jo\x1b[2J\nabc  x@acme.example"
    account = an_account(username, "jo@acme.example")
    session = Session("k", "p", an_identity("jo@acme.example"), account, 0.0, 0.0, 60.0, 60.0)

    heads, *rows = as_text((session,))

    assert heads.startswith("session")
    assert len(rows) == 1
    assert rows[0].isprintable()
    assert "jo\\u001b[2J\\nabc" in rows[0]
