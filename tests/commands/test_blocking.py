"""`users block|unblock`: the file, the sessions, the record; and when somebody is not blocked."""

import asyncio
import errno
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from gateway.account.trail import Wanted
from gateway.commands import blocking as command
from gateway.commands.audit import listed
from gateway.config import Config
from gateway.email import Email
from gateway.errors import AuditUnavailable, NotBlocked, SessionsUnavailable
from gateway.policy.model import Policies
from gateway.policy.store import PolicyStore
from gateway.session.keys.choose import ring_for
from gateway.session.store.choose import store_for
from gateway.session.store.embedded import EmbeddedStore
from tests.commands.conftest import Run, acme, in_force
from tests.session.samples import an_account, an_identity, sessions_on

JO = Email.parse("jo@acme.example")


async def kinds(config: Config) -> list[tuple[str, str | None]]:
    found = [entry async for entry in listed(config, Wanted(), 0)]
    return [(entry.record.event, entry.record.email) for entry in found]


async def signed_in(config: Config, *emails: str) -> None:
    sessions = sessions_on(store_for(config.sessions), await ring_for(config, make=True))
    await sessions.start()
    for email in emails:
        who = an_identity(email, subject=email)
        await sessions.create(who, an_account(email, email), None, time.time())
    await sessions.stop()


def refusing(number: int) -> Callable[..., None]:
    def rename(_self: Path, _target: Path) -> None:
        raise OSError(number, os.strerror(number))

    return rename


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


async def test_their_sessions_end_under_every_alias_and_nobody_elses(config: Config) -> None:
    await signed_in(config, "jo@acme.example", "jo+sonar@acme.ca", "al@acme.example")
    said = await command.block(config, JO)
    assert "2 sessions of theirs ended." in said
    assert "Their Sonar password still opens" in said
    store = store_for(config.sessions)
    await store.open()
    assert [str(left.identity.email) for left in await store.all()] == ["al@acme.example"]
    await store.close()
    assert "No session of theirs was open." in await command.block(config, JO)
    assert [kind for kind, _ in await kinds(config)] == ["user_blocked", *["session_ended"] * 2]


async def test_what_ended_before_the_store_broke_is_recorded(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    await signed_in(config, "jo@acme.example", "jo+sonar@acme.ca")
    end, left = EmbeddedStore.end, [1]

    async def breaks(store: EmbeddedStore, key: str) -> bool:
        if not left:
            raise SessionsUnavailable("broke")
        left.pop()
        return await end(store, key)

    monkeypatch.setattr(EmbeddedStore, "end", breaks)
    assert "the store says: broke" in await command.block(config, JO)
    assert [kind for kind, _ in await kinds(config)] == ["user_blocked", "session_ended"]


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


async def test_a_domain_without_a_policy_is_said(config: Config, run: Run) -> None:
    result = run("users", "block", "una@unknown.example")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("una@unknown.example is NOT blocked")
    assert "no policy is about unknown.example" in result.stderr
    assert run("users", "block", "una").returncode == 2


async def test_a_folder_that_is_not_in_order_is_left_alone(config: Config, folder: Path) -> None:
    (folder / "policies" / "broken.yaml").write_text("domain: broken.example\nsso: maybe\n")
    before = acme(folder).read_bytes()
    with pytest.raises(NotBlocked, match="broken") as told:
        await command.block(config, JO)
    assert str(told.value).startswith("jo@acme.example is NOT blocked: nothing was changed.")
    assert "sessions revoke --email jo@acme.example" in str(told.value)
    assert "takes its files together" in str(told.value)
    assert acme(folder).read_bytes() == before


async def test_a_link_is_not_replaced_by_a_file(config: Config, folder: Path) -> None:
    """A ConfigMap's files are links; a file in the place of one would never change again."""
    elsewhere = folder / "kept-elsewhere.yaml"
    acme(folder).rename(elsewhere)
    acme(folder).symlink_to(elsewhere)
    with pytest.raises(NotBlocked, match="edit it where it comes from"):
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


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, "No space left on device"),
        (errno.EROFS, "Read-only file system; edit it where it comes from"),
        (errno.EACCES, "Permission denied; edit it where it comes from"),
    ],
)
async def test_a_file_that_cannot_be_written_is_said(
    config: Config, folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, told: str
) -> None:
    before = acme(folder).read_bytes()
    monkeypatch.setattr(Path, "rename", refusing(number))
    with pytest.raises(NotBlocked) as refused:
        await command.block(config, JO)
    monkeypatch.undo()
    assert str(refused.value).startswith("jo@acme.example is NOT blocked")
    assert str(refused.value).endswith(f"acme.example.yaml cannot be written: {told}")
    assert acme(folder).read_bytes() == before
    assert not [path for path in (folder / "policies").iterdir() if path.name.startswith(".")]


async def test_a_config_that_cannot_be_read_is_no_reason_to_say_nothing_of_the_person(
    folder: Path, run: Run
) -> None:
    (folder / "config.yaml").write_text("server: [\n")
    result = run("users", "block", str(JO))
    assert result.returncode == 1
    assert result.stderr.startswith("jo@acme.example is NOT blocked")


async def test_what_is_done_but_not_recorded_is_said_to_be_done(
    config: Config, folder: Path
) -> None:
    (folder / "var" / "gateway.db").unlink()
    with pytest.raises(AuditUnavailable, match=r"^jo@acme\.example is blocked, in"):
        await command.block(config, JO)
    assert JO in in_force(config, "acme.example").blocked_users


async def test_no_secret_of_a_provider_is_asked_for(config: Config, folder: Path, run: Run) -> None:
    """They are in the environment of the service; who blocks somebody may well not have it."""
    file = folder / "config.yaml"
    content = yaml.safe_load(file.read_text())
    for provider in content["providers"].values():
        provider["client_secret"] = "env:NOT_SET_HERE"
    content["mail"] = {
        "host": "mail.acme.example",
        "sender": "sonar@acme.example",
        "username": "sonar",
        "password": "file:not-there",
    }
    file.write_text(yaml.safe_dump(content))
    blocked = await asyncio.to_thread(run, "users", "block", str(JO))
    assert blocked.returncode == 0, blocked.stderr
    assert blocked.stdout.startswith("jo@acme.example is blocked, in")
    # Who signs people in needs them.
    checked = await asyncio.to_thread(run, "check")
    assert checked.returncode == 1
    assert "NOT_SET_HERE is not set" in checked.stderr
