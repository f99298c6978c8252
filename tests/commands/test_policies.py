"""`users block|unblock` and `pilots list|enable|disable`: the file, what follows, and refusals."""

import asyncio
import json
import os
import stat
from pathlib import Path

import pytest

from gateway.account.migrations import migrate
from gateway.account.trail import Wanted
from gateway.commands import policies as command
from gateway.commands.audit import listed
from gateway.config import Config, load_config
from gateway.email import Email
from gateway.errors import CannotStart, ConfigError
from gateway.policy.model import Policies, Policy
from gateway.policy.store import PolicyStore
from tests.commands.conftest import Run

JO = Email.parse("jo@acme.example")


@pytest.fixture
async def config(folder: Path) -> Config:
    config = load_config(folder / "config.yaml")
    await migrate(config.links.database)
    return config


def acme(folder: Path) -> Path:
    return folder / "policies" / "acme.example.yaml"


def in_force(config: Config, domain: str) -> Policy:
    store = PolicyStore(config.policies, config.kinds)
    store.load()
    return store.current.by_domain[domain]


async def kinds(config: Config) -> list[tuple[str, str | None]]:
    found = [entry async for entry in listed(config, Wanted(), 0)]
    return [(entry.record.event, entry.record.email) for entry in found]


async def test_block_and_unblock_leave_the_file_as_it_was(config: Config, folder: Path) -> None:
    before = acme(folder).read_bytes()
    assert "is blocked, in" in await command.block(config, JO)
    assert JO in in_force(config, "acme.example").blocked_users
    assert b"# prove each account once" in acme(folder).read_bytes()
    assert "already" in await command.block(config, JO)
    assert "any more" in await command.unblock(config, JO)
    assert acme(folder).read_bytes() == before
    assert "is not blocked" in await command.unblock(config, JO)
    assert await kinds(config) == [("user_blocked", str(JO)), ("user_unblocked", str(JO))]


async def test_who_is_blocked_by_another_address_is_unblocked(config: Config) -> None:
    """The entry counts under every alias and with a tag; so does its removal."""
    await command.block(config, JO)
    other = Email.parse("jo+sonar@acme.ca")
    assert "already" in await command.block(config, other)
    await command.unblock(config, other)
    assert JO not in in_force(config, "acme.example").blocked_users


async def test_a_gateway_that_watches_has_it_in_force_within_a_second(config: Config) -> None:
    store = PolicyStore(config.policies, config.kinds)
    changed = asyncio.Event()

    def look(_old: Policies, new: Policies) -> None:
        if JO in new.by_domain["acme.example"].blocked_users:
            changed.set()

    store.load()
    store.on_change(look)
    await store.start()
    await command.block(config, JO)
    async with asyncio.timeout(1.0):
        await changed.wait()
    await store.stop()
    assert store.problems == ()


async def test_many_commands_at_once_lose_nothing(folder: Path, run: Run, config: Config) -> None:
    names = [f"p{number}@acme.example" for number in range(4)]
    done = await asyncio.gather(*(asyncio.to_thread(run, "users", "block", name) for name in names))
    assert [each.returncode for each in done] == [0] * 4, done
    assert set(map(Email.parse, names)) <= in_force(config, "acme.example").blocked_users
    assert not [path for path in (folder / "policies").iterdir() if path.name.startswith(".")]


def test_pilot_users_come_and_go(config: Config) -> None:
    fred = Email.parse("fred@globex.example")
    assert "is a pilot user, in" in command.enable(config, fred)
    assert "already" in command.enable(config, fred)
    assert fred in in_force(config, "globex.example").pilot_users
    assert "any more" in command.disable(config, fred)
    assert "is no pilot user" in command.disable(config, fred)
    assert fred not in in_force(config, "globex.example").pilot_users


def test_a_pilot_user_of_a_domain_that_is_no_pilot_is_said_to_have_no_effect(
    config: Config,
) -> None:
    assert "no effect while sso is on" in command.enable(config, JO)


def test_a_domain_goes_off_and_back_into_pilot(config: Config) -> None:
    assert "`sso: off`" in command.disable(config, "globex.example")
    assert in_force(config, "globex.example").sso == "off"
    assert "already" in command.disable(config, "globex.example")
    assert "`sso: pilot`" in command.enable(config, "globex.example")
    assert in_force(config, "globex.example").sso == "pilot"


def test_a_domain_that_is_on_for_everybody_is_no_pilot(config: Config, folder: Path) -> None:
    before = acme(folder).read_bytes()
    for change in (command.disable, command.enable):
        with pytest.raises(ConfigError, match="change it in the file"):
            change(config, "acme.example")
    assert acme(folder).read_bytes() == before


def test_the_last_pilot_user_does_not_leave_a_file_that_no_gateway_takes(config: Config) -> None:
    last = Email.parse("kim.okafor@gmail.com")
    with pytest.raises(ConfigError, match="required with `sso: pilot`"):
        command.disable(config, last)
    assert last in in_force(config, "gmail.com").pilot_users


def test_pilots_are_listed(config: Config, run: Run) -> None:
    listed = run("pilots", "list")
    assert listed.returncode == 0, listed.stderr
    assert "initech.example  off  -" in listed.stdout.splitlines()
    content = {one["domain"]: one for one in json.loads(run("pilots", "list", "--json").stdout)}
    assert content["globex.example"]["sso"] == "pilot"
    assert "hank@globex.example" in content["globex.example"]["pilot_users"]
    assert content["acme.example"]["aliases"] == ["acme.ca"]


async def test_a_domain_without_a_policy_is_said(config: Config, run: Run) -> None:
    result = run("users", "block", "una@unknown.example")
    assert (result.returncode, result.stdout) == (1, "")
    assert "no policy is about unknown.example" in result.stderr
    assert run("users", "block", "una").returncode == 2
    assert run("pilots", "enable", "not a domain").returncode == 2


async def test_a_folder_that_is_not_in_order_is_left_alone(config: Config, folder: Path) -> None:
    (folder / "policies" / "broken.yaml").write_text("domain: broken.example\nsso: maybe\n")
    before = acme(folder).read_bytes()
    with pytest.raises(ConfigError, match="broken"):
        await command.block(config, JO)
    assert acme(folder).read_bytes() == before


async def test_a_link_is_not_replaced_by_a_file(config: Config, folder: Path) -> None:
    """A ConfigMap's files are links; a file in the place of one would never change again."""
    elsewhere = folder / "kept-elsewhere.yaml"
    acme(folder).rename(elsewhere)
    acme(folder).symlink_to(elsewhere)
    with pytest.raises(ConfigError, match="change it there"):
        await command.block(config, JO)
    assert acme(folder).is_symlink()
    assert not (folder / "var" / "keys").exists(), "and nothing recorded"


async def test_owner_and_mode_stay(config: Config, folder: Path) -> None:
    acme(folder).chmod(0o640)
    if os.geteuid() == 0:
        os.chown(acme(folder), 1234, 2345)
    was = acme(folder).stat()
    await command.block(config, JO)
    is_now = acme(folder).stat()
    assert stat.S_IMODE(is_now.st_mode) == 0o640
    assert (is_now.st_uid, is_now.st_gid) == (was.st_uid, was.st_gid)
    assert is_now.st_ino != was.st_ino


async def test_a_file_that_cannot_be_written_is_said(
    config: Config, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_self: Path, _target: Path) -> None:
        raise OSError(28, "No space left on device")

    before = acme(folder).read_bytes()
    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(CannotStart, match="No space left"):
        await command.block(config, JO)
    monkeypatch.undo()
    assert acme(folder).read_bytes() == before
    assert not [path for path in (folder / "policies").iterdir() if path.name.startswith(".")]
