"""From the databases to a decision, on SQLite and on PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.account.directory import Directory, open_directory
from gateway.account.facts import Facts, gather
from gateway.account.links import LinkStore
from gateway.account.migrations import migrate
from gateway.account.model import Link
from gateway.account.passwords import Passwords
from gateway.account.resolution import Choose, Prove, Refuse, SignIn
from gateway.config import SqlDirectory
from gateway.email import Email
from gateway.errors import DirectoryUnavailable, LinksUnavailable
from gateway.identity.model import GoogleVoucher, IdentityKey
from gateway.policy.model import Sso
from gateway.reasons import Reason
from gateway.secret import Secret
from tests.account.conftest import Sql
from tests.account.people import GOOGLE, POLICY, emails, identity, policy

JO = identity()
EMAIL = Email.parse("jo@acme.example")


@dataclass
class Stores:
    sql: Sql
    directory: Directory
    links: LinkStore

    async def link(self, account_id: str) -> None:
        await self.links.add(Link(JO.key, account_id, "google", str(JO.email), 100.0, None))

    async def gather(self, who: Any = JO, rules: Any = POLICY) -> Facts:
        return await gather(who, rules, self.directory, self.links)


@pytest.fixture
async def stores(sql: Sql, passwords: Passwords) -> AsyncIterator[Stores]:
    """Sonar's tables and the gateway's in one database; three accounts, two with Jo's address."""
    if sql.is_sqlite:
        file = Path(sql.url.reveal().removeprefix("sqlite:///"))
        await asyncio.to_thread(file.parent.mkdir)
    await sql.execute(
        "CREATE TABLE accounts (id INTEGER PRIMARY KEY, username TEXT, display_name TEXT,"
        " organisation TEXT, active BOOLEAN, password_hash TEXT)",
        "CREATE TABLE addresses (account_id INTEGER, email TEXT, purpose TEXT)",
        "INSERT INTO accounts VALUES (1, 'jo', 'Jo', 'Acme', TRUE, ''),"
        " (2, 'jo2', 'Jo', 'Acme', TRUE, ''), (3, 'ann', 'Ann', 'Acme', TRUE, '')",
        "INSERT INTO addresses VALUES (1, 'jo@acme.example', 'contact'),"
        " (2, 'Jo@acme.example', 'contact'), (3, 'ann@acme.example', 'contact')",
    )
    await migrate(sql.url)
    directory = open_directory(SqlDirectory(url=sql.url), passwords)
    links = LinkStore(sql.url)
    await directory.open()
    await links.open()
    yield Stores(sql, directory, links)
    await links.close()
    await directory.close()


async def test_matches_links_removals_and_preference_in_one(stores: Stores) -> None:
    await stores.link("3")
    await stores.links.remove(JO.key, "2", 200.0)
    await stores.links.prefer(JO.key, "3")
    await stores.links.pin("google", EMAIL, JO.key)
    facts = await stores.gather()
    assert [account.id for account in facts.matches.accounts] == ["1", "2"]
    assert facts.matches.pinned == JO.key
    assert [(entry.link.account_id, entry.account.username) for entry in facts.links] == [
        ("3", "ann")
    ]
    assert facts.removed == {"2"}
    assert facts.preference == "3"


async def test_a_life_with_the_gateway(stores: Stores) -> None:
    """Each thing that happens changes the next sign-in, and nothing else does."""
    resolution = (await stores.gather()).resolve(JO, POLICY)
    assert isinstance(resolution, Choose)
    await stores.links.prefer(JO.key, "2")
    resolution = (await stores.gather()).resolve(JO, POLICY)
    assert isinstance(resolution, SignIn)
    assert (resolution.account.id, resolution.reason) == ("2", Reason.PREFERRED)
    await stores.links.remove(JO.key, "2", 200.0)
    resolution = (await stores.gather()).resolve(JO, POLICY)
    assert isinstance(resolution, SignIn)
    assert (resolution.account.id, resolution.reason) == ("1", Reason.MATCHED)
    await stores.sql.execute("UPDATE accounts SET active = FALSE WHERE id = 1")
    resolution = (await stores.gather()).resolve(JO, POLICY)
    assert isinstance(resolution, Prove)
    await stores.link("2")
    resolution = (await stores.gather()).resolve(JO, POLICY)
    assert isinstance(resolution, SignIn)
    assert (resolution.account.id, resolution.reason) == ("2", Reason.LINKED)
    await stores.sql.execute("DELETE FROM addresses")
    resolution = (await stores.gather()).resolve(JO, POLICY)
    assert isinstance(resolution, SignIn), "a link holds until it is removed"


async def test_a_match_holds_only_while_the_address_is_on_the_account(stores: Stores) -> None:
    await stores.sql.execute("DELETE FROM addresses WHERE account_id <> 1")
    assert isinstance((await stores.gather()).resolve(JO, POLICY), SignIn)
    await stores.sql.execute("UPDATE addresses SET email = 'jo.park@acme.example'")
    assert isinstance((await stores.gather()).resolve(JO, POLICY), Prove)


async def test_a_link_to_an_account_that_is_gone_opens_nothing(stores: Stores) -> None:
    await stores.link("3")
    await stores.sql.execute("DELETE FROM accounts WHERE id = 3", "DELETE FROM addresses")
    facts = await stores.gather()
    assert facts == Facts()
    assert isinstance(facts.resolve(JO, POLICY), Prove)


async def test_somebody_new_with_the_same_email_must_prove_it(stores: Stores) -> None:
    await stores.links.pin("google", EMAIL, JO.key)
    newcomer = identity(subject="2002")
    resolution = (await stores.gather(newcomer)).resolve(newcomer, POLICY)
    assert isinstance(resolution, Prove)
    assert resolution.reason is Reason.SUBJECT_CHANGED


@pytest.mark.parametrize("other", [IdentityKey(GOOGLE, "10011"), IdentityKey("https://x", "1001")])
async def test_what_is_stored_for_one_identity_is_no_others(
    stores: Stores, other: IdentityKey
) -> None:
    await stores.link("3")
    await stores.links.remove(JO.key, "1", 200.0)
    await stores.links.prefer(JO.key, "2")
    who = identity("stranger@acme.example", subject=other.subject, issuer=other.issuer)
    assert await stores.gather(who) == Facts()


@pytest.mark.parametrize(
    ("who", "rules"),
    [
        (identity(None), POLICY),
        (JO, None),
        (JO, policy(sso=Sso.OFF)),
        (JO, policy(sso=Sso.PILOT)),
        (JO, policy(blocked_users=emails("jo@acme.example"))),
        (JO, policy(providers={})),
    ],
    ids=["no email", "no policy", "off", "not a pilot user", "blocked", "provider not allowed"],
)
async def test_nothing_is_asked_for_whom_the_policy_refuses(
    who: Any, rules: Any, passwords: Passwords, tmp_path: Path
) -> None:
    """Sonar's database should not notice strangers: here there is none to notice."""
    url = Secret(f"sqlite:///{tmp_path}/none.db")
    directory = open_directory(SqlDirectory(url=url), passwords)
    facts = await gather(who, rules, directory, LinkStore(url))
    assert facts == Facts()
    assert isinstance(facts.resolve(who, rules), Refuse)


async def test_an_untrusted_email_is_looked_up_and_not_believed(stores: Stores) -> None:
    who = identity(voucher=GoogleVoucher(email_verified=True, hosted_domain=None))
    resolution = (await stores.gather(who)).resolve(who, POLICY)
    assert isinstance(resolution, Prove)
    assert resolution.reason is Reason.EMAIL_UNTRUSTED


async def test_what_is_down_is_said(stores: Stores) -> None:
    await stores.directory.close()
    with pytest.raises(DirectoryUnavailable):
        await stores.gather()
    await stores.links.close()
    with pytest.raises(LinksUnavailable):
        await stores.gather()


async def test_every_account_is_offered_whichever_was_chosen_last_time(stores: Stores) -> None:
    await stores.links.prefer(JO.key, "2")
    facts = await stores.gather()
    assert isinstance(facts.resolve(JO, POLICY), SignIn)
    offered = facts.offered(JO, POLICY)
    assert not isinstance(offered, Refuse)
    assert [account.username for account in offered] == ["jo", "jo2"]


async def test_none_or_one_is_offered(stores: Stores) -> None:
    await stores.sql.execute("DELETE FROM addresses")
    assert (await stores.gather()).offered(JO, POLICY) == ()
    await stores.link("3")
    offered = (await stores.gather()).offered(JO, POLICY)
    assert not isinstance(offered, Refuse)
    assert [account.username for account in offered] == ["ann"]


async def test_nothing_is_offered_to_whom_the_policy_refuses(stores: Stores) -> None:
    off = policy(sso=Sso.OFF)
    offered = (await stores.gather(rules=off)).offered(JO, off)
    assert isinstance(offered, Refuse)
    assert offered.reason is Reason.DOMAIN_OFF
