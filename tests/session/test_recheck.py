"""Somebody who could not sign in any more does not stay signed in either."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from structlog.testing import capture_logs

from gateway.account.directory import open_directory
from gateway.account.directory.file import FileAccounts
from gateway.account.links import LinkStore
from gateway.account.migrations import migrate
from gateway.account.model import Account, Link
from gateway.account.passwords import Passwords
from gateway.config import FileDirectory
from gateway.email import Email
from gateway.identity.model import IdentityKey, MicrosoftVoucher
from gateway.operate.audit import Audit
from gateway.policy.model import Policies, Policy, ProviderRule, Sso
from gateway.reasons import Reason
from gateway.secret import Secret
from gateway.session.keys import KeyRing
from gateway.session.live import Live, Sessions
from gateway.session.model import Session
from gateway.session.recheck import Recheck, turn_of
from gateway.session.store import Store
from gateway.session.store.embedded import EmbeddedStore
from tests.session.samples import PATIENCE, Clock, a_session, an_identity, sessions_on

EVERY = 300.0
TENANT = "11111111-2222-3333-4444-555555555555"
POLICY = Policy(
    domain="acme.example",
    sso=Sso.ON,
    providers={"google": ProviderRule(), "microsoft": ProviderRule(frozenset({TENANT}))},
)
JO = an_identity()
EMAIL = Email.parse("jo@acme.example")
MICROSOFT_JO = replace(
    JO,
    key=IdentityKey(f"https://login.microsoftonline.com/{TENANT}/v2.0", f"{TENANT}.x"),
    provider="microsoft",
    voucher=MicrosoftVoucher(TENANT, False),
)


def entry(account_id: str, **changes: Any) -> dict[str, Any]:
    """An account as the directory's file has it: active, with Jo's address."""
    found = {"id": account_id, "username": f"name-{account_id}", "active": True}
    return {**found, "addresses": [{"email": "jo@acme.example"}], **changes}


@dataclass
class World:
    file: Path
    sessions: Sessions
    links: LinkStore
    store: EmbeddedStore
    recheck: Recheck
    clock: Clock
    another: Callable[[Sessions, Store], Recheck]
    policies: list[Policies] = field(default_factory=list)
    writes: int = 0

    def write(self, *accounts: dict[str, Any]) -> None:
        """Change what Sonar says; each time of another size, so that it is seen."""
        self.writes += 1
        text = yaml.safe_dump({"accounts": list(accounts)})
        self.file.write_text(f"{text}#{'.' * self.writes}\n")

    async def sign_in(self, account_id: str = "1", identity: Any = JO) -> str:
        account = Account(account_id, f"name-{account_id}", "", "", True, ())
        cookie, _ = await self.sessions.create(identity, account, POLICY, self.clock())
        return cookie

    async def ask(self) -> int:
        """Let the time pass in which each session has a turn; how many ended."""
        self.clock.pass_by(EVERY)
        return await self.recheck.round()

    def live(self, cookie: str) -> Live | None:
        found = self.sessions.peek(cookie, self.clock())
        assert found is None or isinstance(found, Live)
        return found


@pytest.fixture
async def world(tmp_path: Path, keys: KeyRing, clock: Clock) -> AsyncIterator[World]:
    file = tmp_path / "accounts.yaml"
    file.write_text("accounts: []\n")
    passwords = Passwords(1)
    directory = open_directory(FileDirectory(kind="file", path=file), passwords)
    await directory.open()
    database = Secret(f"sqlite:///{tmp_path}/gateway.db")
    await migrate(database)
    links = LinkStore(database)
    await links.open()
    store = EmbeddedStore(tmp_path / "sessions.db", clock)
    sessions = sessions_on(store, keys, clock)
    await sessions.start()
    policies = [Policies({"acme.example": POLICY})]

    def another(sessions: Sessions, store: Store) -> Recheck:
        return Recheck(
            sessions,
            store.named,
            directory,
            links,
            lambda: policies[-1],
            Audit(),
            every=EVERY,
            clock=clock,
        )

    world = World(file, sessions, links, store, another(sessions, store), clock, another, policies)
    world.write(entry("1"))
    yield world
    await sessions.stop()
    await links.close()
    await directory.close()
    passwords.close()


async def test_who_could_sign_in_now_stays(world: World) -> None:
    cookie = await world.sign_in()
    assert await world.ask() == 0
    assert world.live(cookie) is not None


@pytest.mark.parametrize(
    "now",
    [
        pytest.param((), id="gone"),
        pytest.param((entry("1", active=False),), id="switched off"),
        pytest.param((entry("1", addresses=[]),), id="lost the address"),
        pytest.param(
            (entry("1", addresses=[{"email": "jo@acme.example", "purpose": "voicemail"}]),),
            id="address only for voicemail",
        ),
        pytest.param((entry("1", addresses=[]), entry("2")), id="address went to another account"),
    ],
)
async def test_ends_with_the_account_or_its_address(world: World, now: Any) -> None:
    """CVE-2025-53942: somebody who was switched off stayed in."""
    cookie = await world.sign_in()
    live = world.live(cookie)
    assert live is not None
    closed: list[bool] = []
    live.closers.add(lambda: closed.append(True))
    world.write(*now)
    assert await world.ask() == 1
    assert world.live(cookie) is None
    assert closed == [True]
    assert await world.sessions.read(cookie, world.clock()) is None


async def test_a_link_holds_without_the_address_until_it_is_removed(world: World) -> None:
    await world.links.add(Link(JO.key, "1", "google", "jo@acme.example", 1.0, None))
    cookie = await world.sign_in()
    world.write(entry("1", addresses=[]))
    assert await world.ask() == 0
    await world.links.remove(JO.key, "1", 2.0)
    assert await world.ask() == 1
    assert world.live(cookie) is None


async def test_ends_when_the_address_became_another_persons(world: World) -> None:
    other = IdentityKey("https://accounts.google.com", "9")
    await world.links.pin("google", EMAIL, other)
    cookie = await world.sign_in()
    assert await world.ask() == 1
    assert world.live(cookie) is None


async def test_ends_when_the_tenant_is_trusted_no_more(world: World) -> None:
    cookie = await world.sign_in(identity=MICROSOFT_JO)
    assert await world.ask() == 0
    rules = {"microsoft": ProviderRule()}
    world.policies.append(Policies({"acme.example": replace(POLICY, providers=rules)}))
    assert await world.ask() == 1
    assert world.live(cookie) is None


async def test_of_several_accounts_each_session_keeps_its_own(world: World) -> None:
    world.write(entry("1"), entry("2"))
    await world.links.prefer(JO.key, "2")
    cookies = [await world.sign_in("1"), await world.sign_in("2")]
    assert await world.ask() == 0
    world.write(entry("1"), entry("2", active=False))
    assert await world.ask() == 1
    assert [world.live(cookie) is not None for cookie in cookies] == [True, False]


async def test_upstream_hears_of_a_new_username(world: World) -> None:
    """The old one may be somebody else's now."""
    cookie = await world.sign_in()
    live = world.live(cookie)
    assert live is not None
    assert b"X-Sonar-Username: name-1\r\n" in live.identity_headers(world.clock())
    world.write(entry("1", username="new-name"), entry("2", username="name-1", addresses=[]))
    assert await world.ask() == 0
    assert b"X-Sonar-Username: new-name\r\n" in live.identity_headers(world.clock())


async def test_nobody_is_signed_out_while_the_directory_is_down(world: World) -> None:
    cookies = [await world.sign_in(), await world.sign_in()]
    world.file.unlink()
    assert await world.ask() == 0
    assert world.recheck.put_off == 1
    assert all(world.live(cookie) for cookie in cookies)

    world.write(entry("1", active=False))
    assert await world.recheck.round() == 2, "they keep the turn that nobody could take"
    assert not any(world.live(cookie) for cookie in cookies)


async def test_one_session_that_cannot_be_asked_about_keeps_no_other_from_it(
    world: World,
) -> None:
    broken = await world.sign_in("1")
    gone = await world.sign_in("2")
    live = world.live(broken)
    assert live is not None
    # What no row of a directory can be, and still: the one behind it is asked about.
    live.session = replace(live.session, identity=replace(JO, email="jo"))  # type: ignore[arg-type]
    world.write(entry("1"))
    assert await world.ask() == 1
    assert world.live(gone) is None
    assert world.live(broken) is not None


def test_turns_come_once_an_interval_and_are_spread_over_it() -> None:
    since = []
    for number in range(400):
        key = a_session(0.0, key=f"{number * 0x9E3779B1 % 2**32:08x}").key
        turns = [turn_of(key, EVERY, at)[0] for at in range(3000)]
        whole = sorted(set(turns))[1:-1]
        assert turns == sorted(turns)
        assert [turns.count(turn) for turn in whole] == [EVERY] * len(whole)
        number_now, begun = turn_of(key, EVERY, 3000.0)
        assert turn_of(key, EVERY, begun)[0] == number_now
        since.append(3000.0 - begun)
    for part in range(10):
        fallen = [each for each in since if part * 30 <= each < part * 30 + 30]
        assert 30 <= len(fallen) <= 50


async def test_a_turn_is_taken_once_and_not_before_its_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = count_questions(world, monkeypatch)
    cookie = await world.sign_in()
    await world.recheck.round()
    assert asked == [], "the sign-in has just asked the same"
    for turns in (1, 2, 3):
        await world.ask()
        await world.recheck.round()
        assert len(asked) == turns
    assert world.live(cookie) is not None


async def test_of_several_processes_one_asks_and_all_hear(
    world: World, keys: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = count_questions(world, monkeypatch)
    cookies = [await world.sign_in() for _ in range(20)]
    store = EmbeddedStore(world.store.path, world.clock)
    other = sessions_on(store, keys, world.clock)
    await other.start()
    for cookie in cookies:
        assert await other.read(cookie, world.clock()) is not None
    elsewhere = world.another(other, store)
    world.write(entry("1", username="new-name"))

    world.clock.pass_by(EVERY)
    await asyncio.gather(world.recheck.round(), elsewhere.round())

    assert len(asked) == 20
    for cookie in cookies:
        for sessions in (world.sessions, other):
            await hears(sessions, cookie, world.clock, "new-name")
    await other.stop()


async def test_a_turn_is_had_once_however_late_another_process_looks(
    world: World, keys: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = count_questions(world, monkeypatch)
    cookie = await world.sign_in()
    (session,) = await world.store.all()
    _, since = turn_of(session.key, EVERY, world.clock() + EVERY)
    world.clock.pass_by(since + 1 - world.clock())
    await world.recheck.round()
    store = EmbeddedStore(world.store.path, world.clock)
    other = sessions_on(store, keys, world.clock)
    await other.start()
    assert await other.read(cookie, world.clock()) is not None

    world.clock.pass_by(EVERY - 2)
    await world.another(other, store).round()

    assert len(asked) == 1
    await other.stop()


async def test_who_comes_back_after_a_while_is_asked_about_at_once(
    world: World, keys: KeyRing
) -> None:
    """To a process that has just started, say: nobody had the session in use at its turn."""
    cookie = await world.sign_in()
    await world.sessions.stop()
    world.write(entry("1", active=False))
    world.clock.pass_by(EVERY)
    again = sessions_on(world.store, keys, world.clock)
    await again.start()
    recheck = world.another(again, world.store)
    assert await recheck.round() == 0, "nobody has come back yet"
    assert await again.read(cookie, world.clock()) is not None

    assert await recheck.round() == 1

    assert again.peek(cookie, world.clock()) is None
    await again.stop()


async def test_the_directory_is_asked_a_few_at_a_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(20):
        await world.sign_in()
    now, most = 0, 0
    three = asyncio.Event()
    before = FileAccounts.by_email

    async def by_email(self: FileAccounts, email: Email) -> tuple[Account, ...]:
        nonlocal now, most
        now += 1
        most = max(most, now)
        if now == 3:
            three.set()
        # Nobody goes on before three are asking; a fourth would come meanwhile.
        await asyncio.wait_for(three.wait(), PATIENCE)
        await asyncio.sleep(0)
        found = await before(self, email)
        now -= 1
        return found

    monkeypatch.setattr(FileAccounts, "by_email", by_email)
    assert await world.ask() == 0
    assert most == 3


async def test_whoever_is_told_by_the_provider_to_go_is_not_asked_about_elsewhere(
    world: World,
) -> None:
    async def says_no(session: Session) -> Reason | None:
        return Reason.REFRESH_REFUSED if session.account.id == "1" else None

    gone, stays = await world.sign_in("1"), await world.sign_in("2")
    world.write(entry("1", addresses=[]), entry("2"))
    world.recheck._provider = says_no
    with capture_logs() as logs:
        assert await world.ask() == 1
    assert world.live(gone) is None
    assert world.live(stays) is not None
    told = [line for line in logs if line["event"] == "session_ended"]
    assert [line["reason"] for line in told] == [Reason.REFRESH_REFUSED]


async def test_the_audit_says_why(world: World) -> None:
    await world.sign_in()
    world.write(entry("1", active=False))
    with capture_logs() as logs:
        await world.ask()
    (told,) = [line for line in logs if line["event"] == "session_ended"]
    assert told["reason"] == Reason.ACCOUNT_INACTIVE
    assert told["account"] == "1"


def count_questions(world: World, monkeypatch: pytest.MonkeyPatch) -> list[Email]:
    asked: list[Email] = []
    before = FileAccounts.by_email

    async def by_email(self: FileAccounts, email: Email) -> tuple[Account, ...]:
        asked.append(email)
        return await before(self, email)

    monkeypatch.setattr(FileAccounts, "by_email", by_email)
    return asked


async def hears(sessions: Sessions, cookie: str, clock: Clock, username: str) -> None:
    """Wait until this process tells upstream of `username`: within a second of the change."""
    began = time.monotonic()
    while True:
        live = await sessions.read(cookie, clock())
        assert live is not None
        if live.session.account.username == username:
            return
        assert time.monotonic() - began < PATIENCE
        await asyncio.sleep(0.01)
