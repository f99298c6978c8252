"""Links, removals, preferences and pins, on SQLite and on PostgreSQL."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from gateway.account.links import LinkStore
from gateway.account.migrations import migrate
from gateway.account.model import Link
from gateway.email import Email
from gateway.errors import LinksUnavailable, SchemaOutdated
from gateway.identity.model import IdentityKey
from gateway.secret import Secret
from tests.account.conftest import Sql

GOOGLE = "https://accounts.google.com"
JO = IdentityKey(GOOGLE, "1001")
EMAIL = Email.parse("jo@acme.example")
LINK = Link(JO, "7", "google", "jo@acme.example", created=100.0, last_used=None)

# What must never be taken for `JO`: one letter more or less, another case, the two parts swapped
# or glued in another place.
NOT_JO = [
    IdentityKey(GOOGLE, "100"),
    IdentityKey(GOOGLE, "10010"),
    IdentityKey(GOOGLE, "1001 "),
    IdentityKey(GOOGLE, " 1001"),
    IdentityKey(GOOGLE.upper(), "1001"),
    IdentityKey(GOOGLE + "/", "1001"),
    IdentityKey("1001", GOOGLE),
    IdentityKey(GOOGLE + "1", "001"),
    IdentityKey("", "1001"),
    IdentityKey(GOOGLE, ""),
    IdentityKey(GOOGLE, "%"),
    IdentityKey(GOOGLE, "1001' OR '1'='1"),
]


async def test_a_link_is_kept_as_it_was_proved(links: LinkStore) -> None:
    await links.add(LINK)
    assert await links.links_of(JO) == (LINK,)


@pytest.mark.parametrize("other", NOT_JO, ids=repr)
async def test_only_the_exact_identity_has_the_link(links: LinkStore, other: IdentityKey) -> None:
    await links.add(LINK)
    await links.prefer(JO, "7")
    await links.remove(JO, "8", 200.0)
    assert await links.links_of(other) == ()
    assert await links.removed_of(other) == {}
    assert await links.preference_of(other) is None
    await links.remove(other, "7", 300.0)
    await links.used(other, "7", 300.0)
    assert await links.links_of(JO) == (LINK,)
    assert await links.preference_of(JO) == "7"


async def test_links_come_oldest_first(links: LinkStore) -> None:
    later = replace(LINK, account_id="1", created=300.0)
    await links.add(later)
    await links.add(LINK)
    assert await links.links_of(JO) == (LINK, later)


async def test_the_same_link_from_two_tabs_at_once_is_one_link(links: LinkStore) -> None:
    await asyncio.gather(*(links.add(replace(LINK, created=float(i))) for i in range(10)))
    assert len(await links.links_of(JO)) == 1


async def test_linking_again_keeps_since_when(links: LinkStore) -> None:
    await links.add(LINK)
    await links.add(replace(LINK, created=500.0))
    assert await links.links_of(JO) == (LINK,)


async def test_proved_again_under_another_address_it_is_that_ones(links: LinkStore) -> None:
    await links.add(LINK)
    await links.add(replace(LINK, created=500.0, email="jo.new@acme.example"))
    assert await links.links_of(JO) == (replace(LINK, email="jo.new@acme.example"),)


async def test_removing_ends_the_link_and_is_remembered(links: LinkStore) -> None:
    await links.add(LINK)
    await links.prefer(JO, "7")
    await links.remove(JO, "7", 200.0)
    assert await links.links_of(JO) == ()
    assert await links.removed_of(JO) == {"7": 200.0}
    assert await links.preference_of(JO) is None


async def test_removing_leaves_other_accounts_alone(links: LinkStore) -> None:
    other = replace(LINK, account_id="8")
    await links.add(LINK)
    await links.add(other)
    await links.prefer(JO, "8")
    await links.remove(JO, "7", 200.0)
    assert await links.links_of(JO) == (other,)
    assert await links.preference_of(JO) == "8"


async def test_what_was_only_a_match_can_be_removed(links: LinkStore) -> None:
    await links.remove(JO, "7", 200.0)
    await links.remove(JO, "7", 250.0)
    assert await links.removed_of(JO) == {"7": 250.0}


async def test_proving_again_switches_on_again(links: LinkStore) -> None:
    await links.remove(JO, "7", 200.0)
    await links.remove(JO, "8", 200.0)
    await links.add(LINK)
    assert await links.removed_of(JO) == {"8": 200.0}
    assert await links.links_of(JO) == (LINK,)


async def test_the_last_choice_is_the_preference(links: LinkStore) -> None:
    assert await links.preference_of(JO) is None
    await links.prefer(JO, "7")
    await links.prefer(JO, "8")
    assert await links.preference_of(JO) == "8"


async def test_last_used_moves_only_forward(links: LinkStore) -> None:
    await links.add(LINK)
    for now, last in ((200.0, 200.0), (150.0, 200.0), (300.5, 300.5)):
        await links.used(JO, "7", now)
        assert (await links.links_of(JO))[0].last_used == last


async def test_using_a_link_that_is_gone_makes_none(links: LinkStore) -> None:
    await links.used(JO, "7", 200.0)
    assert await links.links_of(JO) == ()


async def test_the_first_identity_keeps_the_pin(links: LinkStore) -> None:
    assert await links.pinned("google", EMAIL) is None
    assert await links.pin("google", EMAIL, JO) == JO
    assert await links.pin("google", EMAIL, NOT_JO[0]) == JO
    assert await links.pinned("google", EMAIL) == JO


async def test_a_pin_is_for_one_email_at_one_provider(links: LinkStore) -> None:
    await links.pin("google", EMAIL, JO)
    assert await links.pinned("microsoft", EMAIL) is None
    assert await links.pinned("google", Email.parse("jo@acme.ca")) is None


async def test_known_are_the_pinned_one_and_who_linked_under_the_email(links: LinkStore) -> None:
    assert await links.known("google", EMAIL) == ()
    second, first = IdentityKey(GOOGLE, "2"), IdentityKey(GOOGLE, "3")
    await links.add(replace(LINK, identity=second, created=300.0))
    await links.add(replace(LINK, identity=first, created=200.0))
    await links.add(replace(LINK, identity=first, account_id="8", created=400.0))
    await links.add(replace(LINK, identity=IdentityKey(GOOGLE, "4"), provider="microsoft"))
    await links.add(replace(LINK, identity=IdentityKey(GOOGLE, "5"), email="jo@acme.ca"))
    assert await links.known("google", EMAIL) == (first, second)
    await links.pin("google", EMAIL, second)
    assert await links.known("google", EMAIL) == (second, first)


async def test_of_many_at_once_all_hear_of_the_same_pin(links: LinkStore, sql: Sql) -> None:
    elsewhere = LinkStore(sql.url)
    await elsewhere.open()
    keys = [IdentityKey(GOOGLE, str(number)) for number in range(10)]
    answers = await asyncio.gather(
        *((links, elsewhere)[n % 2].pin("google", EMAIL, key) for n, key in enumerate(keys))
    )
    await elsewhere.close()
    assert len(set(answers)) == 1
    assert answers[0] in keys


async def test_what_one_process_writes_the_other_reads(links: LinkStore, sql: Sql) -> None:
    await links.add(LINK)
    elsewhere = LinkStore(sql.url)
    await elsewhere.open()
    assert await elsewhere.links_of(JO) == (LINK,)
    await elsewhere.close()


async def test_a_change_that_was_cut_short_changed_nothing(links: LinkStore, sql: Sql) -> None:
    await links.add(LINK)
    await sql.execute("DROP TABLE preferences")
    with pytest.raises(LinksUnavailable):
        await links.remove(JO, "7", 200.0)
    assert await links.links_of(JO) == (LINK,)
    assert await links.removed_of(JO) == {}


async def test_people_at_once_never_get_each_others_links(links: LinkStore) -> None:
    keys = [IdentityKey(GOOGLE, str(number)) for number in range(20)]
    await asyncio.gather(
        *(links.add(replace(LINK, identity=key, account_id=key.subject)) for key in keys)
    )

    async def read_and_cancel(key: IdentityKey) -> None:
        task = asyncio.ensure_future(links.links_of(key))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    await asyncio.gather(*(read_and_cancel(key) for key in keys))
    for _round in range(3):
        found = await asyncio.gather(*(links.links_of(key) for key in keys))
        assert [entry[0].account_id for entry in found] == [key.subject for key in keys]


async def test_a_lost_database_is_unavailable(links: LinkStore, sql: Sql) -> None:
    await sql.execute("DROP TABLE links")
    with pytest.raises(LinksUnavailable) as raised:
        await links.add(LINK)
    assert "jo@acme" not in str(raised.value)


async def fill(links: LinkStore, made: list[Link]) -> None:
    while True:
        link = replace(LINK, identity=IdentityKey(GOOGLE, f"{len(made)}"))
        await links.add(link)
        made.append(link)


async def test_a_full_disk_keeps_what_is_there_and_is_told(tmp_path: Path) -> None:
    """SQLite's own limit: what it answers then is what it answers on a full disk. Nothing of a
    change that found no room is there."""
    url = Secret(f"sqlite:///{tmp_path}/links.db")
    await migrate(url)
    links = LinkStore(url)
    await links.open()
    pages = 1

    def limited(connection: Any, *_: object) -> None:
        connection.cursor().execute(f"PRAGMA max_page_count = {pages}")

    event.listen(links._database.there().engine.sync_engine, "checkout", limited)
    made: list[Link] = []
    with pytest.raises(LinksUnavailable, match="full") as full:
        await fill(links, made)
    assert full.value.refused
    assert await links.links_of(IdentityKey(GOOGLE, f"{len(made)}")) == ()
    for link in made:
        assert await links.links_of(link.identity) == (link,)
    pages = 1000
    await links.add(LINK)
    assert await links.links_of(JO) == (LINK,)
    await links.close()


async def test_a_store_that_is_not_open_says_so() -> None:
    with pytest.raises(LinksUnavailable):
        await LinkStore(Secret("sqlite:///nowhere.db")).links_of(JO)


async def test_open_refuses_a_database_that_was_never_migrated(sql: Sql) -> None:
    with pytest.raises(SchemaOutdated, match="no tables yet; the command `migrate` makes them"):
        await LinkStore(sql.url).open()


async def test_open_says_that_the_server_is_not_there(tmp_path: object) -> None:
    with pytest.raises(LinksUnavailable):
        await LinkStore(Secret(f"postgresql://postgres@/none?host={tmp_path}")).open()
