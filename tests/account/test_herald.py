"""Who is told, of those who sign in with the Sonar password alone."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import bcrypt
import pytest
import yaml

from gateway.account import herald as module
from gateway.account.directory import Directory, open_directory
from gateway.account.herald import TOLD_FOR, Herald
from gateway.account.links import LinkStore
from gateway.account.model import Link, News, Reader
from gateway.account.password_reader import PasswordReaders
from gateway.account.passwords import Passwords
from gateway.config import FileDirectory
from gateway.errors import DirectoryUnavailable
from gateway.identity.model import IdentityKey
from gateway.secret import Secret
from gateway.session.cookie import CookieNames
from gateway.session.seal import Sealer
from gateway.session.store.attempts import Throttle
from gateway.session.store.embedded import EmbeddedStore
from tests.account.conftest import Sql
from tests.session.samples import new_keys, until

KEY = IdentityKey("https://accounts.google.com", "1")
NOW = 1_700_000_000.0
THEN = NOW - 3600.0
LINK = Link(KEY, "7", "google", "vera@acme.example", THEN, None)
NEWS = News("jmarch", "192.0.2.1")
PASSWORD = Secret("march-hare")


@pytest.fixture
async def directory(tmp_path: Path, passwords: Passwords) -> AsyncIterator[Directory]:
    hashed = bcrypt.hashpw(PASSWORD.reveal().encode(), bcrypt.gensalt(4)).decode()
    people = [("7", "jmarch", True), ("8", "quiet", True), ("9", "left", False)]
    accounts = [
        {
            "id": id,
            "username": username,
            "display_name": username,
            "organisation": "Acme",
            "active": active,
            "password_hash": hashed,
            "addresses": [],
        }
        for id, username, active in people
    ]
    path = tmp_path / "accounts.yaml"
    path.write_text(yaml.safe_dump({"accounts": accounts}))
    made = open_directory(FileDirectory(path=path), passwords)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def readers(tmp_path: Path) -> PasswordReaders:
    return PasswordReaders(Sealer(new_keys(tmp_path)), CookieNames(secure=True), ["SONARSESSID"])


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncIterator[EmbeddedStore]:
    made = EmbeddedStore(tmp_path / "sessions.db", clock)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def herald(
    directory: Directory,
    links: LinkStore,
    readers: PasswordReaders,
    store: EmbeddedStore,
    clock: Clock,
) -> Herald:
    throttle = Throttle(3, 60.0, 3600.0, 86400.0)
    return Herald(
        directory, links.notices, readers, store.named, throttle, look_every=0.02, clock=clock
    )


def header_of(set_cookie: str) -> str:
    return f"a=b; {set_cookie.partition(';')[0]}; c=d"


async def test_it_expects_who_has_a_notice_however_the_name_is_spelled(
    herald: Herald, links: LinkStore
) -> None:
    await herald.look()
    assert not herald.expects("jmarch")
    await links.add(LINK, NEWS)
    await herald.look()
    for spelled in ("jmarch", "JMarch", " jmarch "):
        assert herald.expects(spelled)
    assert not herald.expects("quiet")
    assert not herald.expects("")


async def test_who_types_the_right_password_is_told(
    herald: Herald, links: LinkStore, readers: PasswordReaders
) -> None:
    await links.add(LINK, NEWS)
    cookie = await herald.greet("JMarch", PASSWORD, "a=b; SONARSESSID=1")
    assert cookie is not None
    reader = readers.known(cookie.partition("=")[2].partition(";")[0])
    assert reader is not None
    assert (reader.account_id, reader.proved) == ("7", NOW)
    assert reader.counts(NOW, readers.sonar("SONARSESSID=1"))
    assert not reader.counts(NOW, readers.sonar("SONARSESSID=2"))
    again = await herald.greet("jmarch", PASSWORD, header_of(cookie))
    assert again is not None
    assert readers.browser(again.partition("=")[2].partition(";")[0]) == reader.browser


@pytest.mark.parametrize("username", ["jmarch", "quiet", "left", "nobody", ""])
async def test_a_wrong_password_is_told_nothing(
    herald: Herald, links: LinkStore, username: str
) -> None:
    for account_id in ("7", "9"):
        await links.add(Link(KEY, account_id, "google", "", THEN, None), NEWS)
    for wrong in ("march", "", "MARCH-HARE"):
        assert await herald.greet(username, Secret(wrong), "") is None


async def test_who_guesses_on_waits_and_learns_nothing_meanwhile(
    herald: Herald, links: LinkStore, clock: Clock
) -> None:
    """With a session of their own, at a Sonar that leads whoever has one away from its sign-in page
    whatever is typed there."""
    await links.add(LINK, NEWS)
    guesses = [Secret(f"guess {number}") for number in range(9)]
    greetings = await asyncio.gather(*(herald.greet("jmarch", guess, "") for guess in guesses))
    assert greetings == [None] * 9
    for spelled in ("jmarch", "JMarch", " jmarch"):
        assert await herald.greet(spelled, PASSWORD, "") is None
    clock.now += 61.0
    assert await herald.greet("jmarch", PASSWORD, "") is not None
    assert await herald.greet("jmarch", Secret("wrong"), "") is None
    assert await herald.greet("jmarch", PASSWORD, "") is not None, "what was counted is forgotten"


async def test_who_is_right_never_waits(herald: Herald, links: LinkStore) -> None:
    await links.add(LINK, NEWS)
    for _ in range(5):
        assert await herald.greet("jmarch", PASSWORD, "") is not None


async def test_a_directory_that_is_away_costs_no_attempts(
    herald: Herald, links: LinkStore, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await links.add(LINK, NEWS)

    async def away(username: str, password: Secret) -> None:
        raise DirectoryUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(directory, "verify", away)
        for _ in range(5):
            with pytest.raises(DirectoryUnavailable):
                await herald.greet("jmarch", PASSWORD, "")
    assert await herald.greet("jmarch", PASSWORD, "") is not None


async def test_the_right_password_of_who_has_no_news_or_may_not_come_in(
    herald: Herald, links: LinkStore
) -> None:
    await links.add(Link(KEY, "9", "google", "", THEN, None), NEWS)
    assert await herald.greet("quiet", PASSWORD, "") is None
    assert await herald.greet("left", PASSWORD, "") is None, "the account is not active"


async def test_a_browser_that_has_read_it_is_left_alone(
    herald: Herald, links: LinkStore, readers: PasswordReaders
) -> None:
    await links.add(LINK, NEWS)
    cookie = await herald.greet("jmarch", PASSWORD, "")
    assert cookie is not None
    header = header_of(cookie)
    reader = Reader.of_browser(readers.browser(cookie.partition("=")[2].partition(";")[0]))
    (notice,) = await links.notices.unread("7", reader)
    await links.notices.read(notice, reader)
    assert await herald.greet("jmarch", PASSWORD, header) is None
    another = await herald.greet("jmarch", PASSWORD, "")
    assert another is not None, "another browser"
    two = f"{header}; {header_of(another)}"
    assert await herald.greet("jmarch", PASSWORD, two) is not None, "two of them"


async def test_many_old_ones_hide_no_new_one(herald: Herald, links: LinkStore) -> None:
    """Whoever knows the password can make as many as they like, and wait."""
    for number in range(25):
        identity = IdentityKey(LINK.identity.issuer, f"old-{number}")
        await links.add(replace(LINK, identity=identity, created=NOW - TOLD_FOR - 1), NEWS)
    assert await herald.greet("jmarch", PASSWORD, "") is None
    await links.add(replace(LINK, created=NOW - 1), NEWS)
    assert await herald.greet("jmarch", PASSWORD, "") is not None


@pytest.mark.parametrize(("ago", "told"), [(TOLD_FOR - 1, True), (TOLD_FOR, False)])
async def test_there_is_an_end_to_it(
    herald: Herald, links: LinkStore, ago: float, told: bool
) -> None:
    await links.add(replace(LINK, created=NOW - ago), NEWS)
    assert (await herald.greet("jmarch", PASSWORD, "") is not None) is told


async def test_it_learns_by_itself_and_forgets_all_while_the_database_is_away(
    herald: Herald, links: LinkStore, sql: Sql
) -> None:
    await links.add(LINK, NEWS)
    await herald.start()
    try:
        await until(lambda: herald.expects("jmarch"))
        await sql.execute("ALTER TABLE notices RENAME TO away")
        await until(lambda: not herald.expects("jmarch"))
        await sql.execute("ALTER TABLE away RENAME TO notices")
        await until(lambda: herald.expects("jmarch"))
    finally:
        await herald.stop()


async def test_memory_is_bounded_and_keeps_the_newest(
    herald: Herald, links: LinkStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_NAMES", 3)
    monkeypatch.setattr(module, "_PIECE", 2)
    for number in range(5):
        link = Link(KEY, f"a{number}", "google", "", THEN + number, None)
        await links.add(link, News(f"user{number}", ""))
    await herald.look()
    assert [herald.expects(f"user{number}") for number in range(5)] == [False, False, *[True] * 3]


async def test_a_notice_that_comes_late_is_not_missed(herald: Herald, links: LinkStore) -> None:
    """Of another process, whose clock is behind."""
    await links.add(LINK, NEWS)
    await herald.look()
    await links.add(Link(KEY, "8", "google", "", LINK.created - 60, None), News("quiet", ""))
    await herald.look()
    assert herald.expects("quiet")
