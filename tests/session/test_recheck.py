"""Somebody who could not sign in any more does not stay signed in either."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.account.directory import open_directory
from gateway.account.links import LinkStore
from gateway.account.migrations import migrate
from gateway.account.model import Account, Link
from gateway.account.passwords import Passwords
from gateway.config import FileDirectory
from gateway.email import Email
from gateway.identity.model import IdentityKey, MicrosoftVoucher
from gateway.policy.model import Policies, Policy, ProviderRule, Sso
from gateway.secret import Secret
from gateway.session.keys import KeyRing
from gateway.session.live import Live, Sessions
from gateway.session.recheck import Recheck
from gateway.session.store.embedded import EmbeddedStore
from tests.session.samples import Clock, an_identity, sessions_on, until

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
    recheck: Recheck
    clock: Clock
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
    sessions = sessions_on(EmbeddedStore(tmp_path / "sessions.db", clock), keys, clock)
    await sessions.start()
    policies = [Policies({"acme.example": POLICY})]
    recheck = Recheck(sessions, directory, links, lambda: policies[-1], every=0.01)
    world = World(file, sessions, links, recheck, clock, policies)
    world.write(entry("1"))
    yield world
    await recheck.stop()
    await sessions.stop()
    await links.close()
    await directory.close()
    passwords.close()


async def test_who_could_sign_in_now_stays(world: World) -> None:
    cookie = await world.sign_in()
    assert await world.recheck.round() == 0
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
    cookie = await world.sign_in()
    live = world.live(cookie)
    assert live is not None
    closed: list[bool] = []
    live.closers.add(lambda: closed.append(True))
    world.write(*now)
    assert await world.recheck.round() == 1
    assert world.live(cookie) is None
    assert closed == [True]
    assert await world.sessions.read(cookie, world.clock()) is None


async def test_a_link_holds_without_the_address_until_it_is_removed(world: World) -> None:
    await world.links.add(Link(JO.key, "1", "google", "jo@acme.example", 1.0, None))
    cookie = await world.sign_in()
    world.write(entry("1", addresses=[]))
    assert await world.recheck.round() == 0
    await world.links.remove(JO.key, "1", 2.0)
    assert await world.recheck.round() == 1
    assert world.live(cookie) is None


async def test_ends_when_the_address_became_another_persons(world: World) -> None:
    other = IdentityKey("https://accounts.google.com", "9")
    await world.links.pin("google", EMAIL, other)
    cookie = await world.sign_in()
    assert await world.recheck.round() == 1
    assert world.live(cookie) is None


async def test_ends_when_the_tenant_is_trusted_no_more(world: World) -> None:
    cookie = await world.sign_in(identity=MICROSOFT_JO)
    assert await world.recheck.round() == 0
    rules = {"microsoft": ProviderRule()}
    world.policies.append(Policies({"acme.example": replace(POLICY, providers=rules)}))
    assert await world.recheck.round() == 1
    assert world.live(cookie) is None


async def test_of_several_accounts_each_session_keeps_its_own(world: World) -> None:
    world.write(entry("1"), entry("2"))
    await world.links.prefer(JO.key, "2")
    cookies = [await world.sign_in("1"), await world.sign_in("2")]
    assert await world.recheck.round() == 0
    world.write(entry("1"), entry("2", active=False))
    assert await world.recheck.round() == 1
    assert [world.live(cookie) is not None for cookie in cookies] == [True, False]


async def test_upstream_hears_of_a_new_username(world: World) -> None:
    """The old one may be somebody else's now."""
    cookie = await world.sign_in()
    live = world.live(cookie)
    assert live is not None
    assert b"X-Sonar-Username: name-1\r\n" in live.identity_headers(world.clock())
    world.write(entry("1", username="new-name"), entry("2", username="name-1", addresses=[]))
    assert await world.recheck.round() == 0
    assert b"X-Sonar-Username: new-name\r\n" in live.identity_headers(world.clock())


async def test_nobody_is_signed_out_while_the_directory_is_down(world: World) -> None:
    cookie = await world.sign_in()
    world.file.unlink()
    await world.recheck.start()
    await until(lambda: world.recheck.put_off > 1)
    assert world.live(cookie) is not None
    world.write(entry("1", active=False))
    await until(lambda: world.live(cookie) is None)


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
    assert await world.recheck.round() == 1
    assert world.live(gone) is None
    assert world.live(broken) is not None
