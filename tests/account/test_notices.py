"""What an account's owner is told: with the link, or not at all; on both databases."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.account.links import LinkStore
from gateway.account.migrations import migrate
from gateway.account.model import Link, News
from gateway.errors import LinksUnavailable
from gateway.identity.model import IdentityKey
from tests.account.conftest import Sql

JO = IdentityKey("https://accounts.google.com", "1")
OTHER = IdentityKey("https://accounts.google.com", "2")
LINK = Link(JO, "7", "google", "jo@acme.example", 1000.0, None)
NEWS = News("jmarch", "192.0.2.1", ("jo@home.example", "jo@acme.example"))


@pytest.fixture
async def links(sql: Sql) -> AsyncIterator[LinkStore]:
    await migrate(sql.url)
    store = LinkStore(sql.url)
    await store.open()
    yield store
    await store.close()


async def test_everybody_but_the_linked_identity_hears_of_it(links: LinkStore) -> None:
    await links.add(LINK, NEWS)
    (notice,) = await links.notices.unread("7", OTHER)
    assert (notice.identity, notice.provider, notice.email) == (JO, "google", "jo@acme.example")
    assert (notice.username, notice.address, notice.created) == ("jmarch", "192.0.2.1", 1000.0)
    assert await links.notices.unread("7", JO) == ()
    assert await links.notices.unread("8", OTHER) == ()


async def test_it_is_told_until_it_was_read(links: LinkStore) -> None:
    await links.add(LINK, NEWS)
    (notice,) = await links.notices.unread("7", OTHER)
    await links.notices.read("8", notice.id, 1500.0)
    await links.notices.read("7", "another", 1500.0)
    assert await links.notices.unread("7", OTHER) == (notice,)
    await links.notices.read("7", notice.id, 2000.0)
    assert await links.notices.unread("7", OTHER) == ()


async def test_a_link_that_was_there_is_no_news(links: LinkStore) -> None:
    await asyncio.gather(*(links.add(LINK, NEWS) for _ in range(5)))
    assert len(await links.notices.unread("7", OTHER)) == 1
    await links.remove(JO, "7", 1100.0)
    await links.add(replace(LINK, created=1200.0), NEWS)
    assert len(await links.notices.unread("7", OTHER)) == 2, "removed, and linked once more"


async def test_there_is_no_link_without_its_notice(links: LinkStore, sql: Sql) -> None:
    await sql.execute("ALTER TABLE letters RENAME TO away")
    with pytest.raises(LinksUnavailable):
        await links.add(LINK, NEWS)
    assert await links.links_of(JO) == ()
    assert await links.notices.unread("7", OTHER) == ()


async def test_a_letter_for_each_recipient_to_one_taker(links: LinkStore) -> None:
    await links.add(LINK, NEWS)
    taken = await asyncio.gather(*(links.notices.take_due(1000.0, 60.0) for _ in range(8)))
    while (more := await links.notices.take_due(1000.0, 60.0)) is not None:
        taken.append(more)
    found = [letter for letter in taken if letter is not None]
    assert sorted(letter.recipient for letter in found) == ["jo@acme.example", "jo@home.example"]
    assert {letter.tries for letter in found} == {1}
    assert await links.notices.take_due(1059.0, 60.0) is None
    again = await links.notices.take_due(1060.0, 60.0)
    assert again is not None
    assert again.tries == 2
    await links.notices.later(again, 5000.0)
    other = await links.notices.take_due(1060.0, 60.0)
    assert other is not None
    await links.notices.done(other)
    assert await links.notices.take_due(4999.0, 60.0) is None


async def test_what_nobody_read_in_a_year_is_no_news(links: LinkStore) -> None:
    await links.add(LINK, NEWS)
    await links.add(replace(LINK, account_id="8", created=1000.0 + 366 * 86400), NEWS)
    assert await links.notices.unread("7", OTHER) == ()
