"""What an account's owner is told: with the link, or not at all; on both databases."""

import asyncio
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from gateway.account.links import LinkStore
from gateway.account.model import Letter, Link, News, Reader
from gateway.account.notices import Mention
from gateway.errors import LinksUnavailable
from gateway.identity.model import IdentityKey
from tests.account.conftest import Sql

JO = IdentityKey("https://accounts.google.com", "1")
OTHER = Reader.of_identity(IdentityKey("https://accounts.google.com", "2"))
BROWSER = Reader.of_browser("a browser")
LINK = Link(JO, "7", "google", "jo@acme.example", 1000.0, None)
NEWS = News("jmarch", "192.0.2.1", ("jo@home.example", "jo@acme.example"))


async def letters(links: LinkStore, now: float) -> list[Letter]:
    """Every letter that is due, sent."""
    found = []
    while (letter := await links.notices.take_due(now, 60.0)) is not None:
        await links.notices.done(letter)
        found.append(letter)
    return found


async def test_everybody_but_the_linked_identity_hears_of_it(links: LinkStore) -> None:
    await links.add(LINK, NEWS)
    for reader in (OTHER, BROWSER):
        (notice,) = await links.notices.unread("7", reader)
        told = (notice.identity, notice.provider, notice.email, notice.standing)
        assert told == (JO, "google", "jo@acme.example", True)
        assert (notice.username, notice.address, notice.created) == ("jmarch", "192.0.2.1", 1000.0)
        assert await links.notices.unread("8", reader) == ()
    assert await links.notices.unread("7", Reader.of_identity(JO)) == ()


async def test_each_reader_reads_it_for_themselves(links: LinkStore) -> None:
    await links.add(LINK, NEWS)
    readers = [OTHER, Reader.of_identity(IdentityKey(JO.issuer, "3")), BROWSER]
    readers.append(Reader.of_browser("another browser"))
    (notice,) = await links.notices.unread("7", OTHER)
    while readers:
        reader = readers.pop()
        await asyncio.gather(*(links.notices.read(notice, reader) for _ in range(3)))
        assert await links.notices.unread("7", reader) == ()
        for other in readers:
            assert await links.notices.unread("7", other) == (notice,)


async def test_taking_the_link_away_hides_nothing(links: LinkStore) -> None:
    await links.add(LINK, NEWS)
    await links.remove(JO, "7", 1100.0)
    (notice,) = await links.notices.unread("7", OTHER)
    assert not notice.standing


async def test_a_link_that_was_there_is_no_news(links: LinkStore) -> None:
    await asyncio.gather(*(links.add(LINK, NEWS) for _ in range(5)))
    assert len(await links.notices.unread("7", OTHER)) == 1


async def test_a_link_made_again_is_told_again_and_once(links: LinkStore) -> None:
    await links.add(LINK, NEWS)
    (notice,) = await links.notices.unread("7", OTHER)
    await links.notices.read(notice, OTHER)
    for again in range(1, 4):
        await links.remove(JO, "7", 1000.0 + 100 * again)
        await links.add(replace(LINK, created=1050.0 + 100 * again), NEWS)
        (notice,) = await links.notices.unread("7", OTHER)
        assert (notice.created, notice.standing) == (1050.0 + 100 * again, True)


async def test_a_loop_of_linking_and_unlinking_is_one_letter_a_day(links: LinkStore) -> None:
    day = 86400.0
    for created in (0.0, 10.0, day - 1, day + 1, day + 2, 2 * day):
        with capture_logs() as logs:
            await links.add(replace(LINK, created=created), NEWS)
        await links.remove(JO, "7", created)
        written = len(await letters(links, created))
        withheld = [(each["event"], each["account"], each["limit"]) for each in logs]
        if created in {0.0, day + 1}:
            assert (written, withheld) == (len(NEWS.recipients), [])
        else:
            assert (written, withheld) == (0, [("letters_withheld", "7", "identity")])


async def test_many_identities_are_a_few_letters_a_day_for_each_account(links: LinkStore) -> None:
    """And still a notice of each."""
    written = []
    for number in range(8):
        link = replace(LINK, identity=IdentityKey(JO.issuer, f"a{number}"), created=1000.0 + number)
        await links.add(link, NEWS)
        written.append(len(await letters(links, 2000.0)))
    assert written == [2, 2, 2, 2, 2, 0, 0, 0]
    assert len(await links.notices.unread("7", OTHER)) == 8
    await links.add(replace(LINK, account_id="8"), NEWS)
    assert len(await letters(links, 2000.0)) == 2, "another account's letters are its own"
    await links.add(replace(LINK, created=2000.0 + 86400.0), NEWS)
    assert len(await letters(links, 2000.0 + 86400.0)) == 2, "and the next day there are some"


async def test_mentions_come_in_pieces_and_in_order(links: LinkStore) -> None:
    for number in range(5):
        link = replace(LINK, account_id=f"{number}", created=1000.0 + number // 2)
        await links.add(link, replace(NEWS, username=f"user{number}"))
    seen: list[Mention] = []
    after = (0.0, "")
    while piece := await links.notices.mentions(after, 2):
        assert len(piece) <= 2
        seen += piece
        after = (piece[-1].created, piece[-1].id)
    assert seen == sorted(seen)
    assert sorted(mention.username for mention in seen) == [f"user{n}" for n in range(5)]


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
