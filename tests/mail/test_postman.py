"""Letters from the database to a mail server that is sometimes not there."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from gateway.account.links import LinkStore
from gateway.account.migrations import migrate
from gateway.account.model import Link, News
from gateway.config import Config, Mail, config_from
from gateway.identity.model import IdentityKey
from gateway.mail.postman import Postman, pause_after
from gateway.secret import Secret
from tests.mail.conftest import MailServer, Serve
from tests.mail.test_smtp import a_mail
from tests.session.samples import Clock

LINK = Link(IdentityKey("https://p.example", "1"), "7", "google", "jo@acme.example", 1000.0, None)
NEWS = News("jmarch", "192.0.2.1", ("jo@home.example",))


@pytest.fixture
async def links(tmp_path: Path) -> AsyncIterator[LinkStore]:
    url = Secret(f"sqlite:///{tmp_path}/links.db")
    await migrate(url)
    store = LinkStore(url)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return config_from(
        {
            "upstream": {"url": "http://127.0.0.1:1"},
            "providers": {"google": {"client_id": "id", "client_secret": "made up"}},
            "directory": {"kind": "file", "path": "accounts.yaml"},
        },
        tmp_path,
    )


def a_postman(config: Config, links: LinkStore, mail: Mail, clock: Clock) -> Postman:
    return Postman(config, mail, links.notices, look_every=0.01, clock=clock)


async def test_a_letter_is_sent_once(config: Config, links: LinkStore, serve: Serve) -> None:
    await links.add(LINK, NEWS)
    async with serve() as server:
        postman = a_postman(config, links, a_mail(server.port), Clock(1000.0))
        assert await postman.deliver_one()
        assert not await postman.deliver_one()
    (message,) = server.messages
    assert message["To"] == "jo@home.example"
    assert "Google, as jo@acme.example" in message.get_content()


async def test_of_many_processes_one_sends_it(
    config: Config, links: LinkStore, serve: Serve
) -> None:
    recipients = tuple(f"jo{number}@home.example" for number in range(5))
    await links.add(LINK, News("jmarch", "", recipients))
    async with serve() as server:
        postmen = [a_postman(config, links, a_mail(server.port), Clock(1000.0)) for _ in range(4)]
        for postman in postmen:
            await postman.start()
        await comes(server, 5)
        for postman in postmen:
            await postman.stop()
    assert sorted(message["To"] for message in server.messages) == sorted(recipients)


async def comes(server: MailServer, count: int) -> None:
    async with asyncio.timeout(10):
        while len(server.envelopes) < count:  # noqa: ASYNC110 - it is the server that changes
            await asyncio.sleep(0.01)


async def test_it_waits_longer_each_time_until_the_server_is_back(
    config: Config, links: LinkStore, serve: Serve
) -> None:
    await links.add(LINK, NEWS)
    clock = Clock(1000.0)
    async with serve() as server:
        server.to_data = "451 later"
        postman = a_postman(config, links, a_mail(server.port, give_up=86400.0), clock)
        for pause in (60, 120, 240):
            assert await postman.deliver_one()
            clock.now += pause - 1
            assert not await postman.deliver_one()
            clock.now += 1
        server.to_data = "250 OK"
        assert await postman.deliver_one()
        assert len(server.envelopes) == 1
        clock.now += 86400
        assert not await postman.deliver_one()


async def test_a_server_that_is_away_costs_others_nothing(
    config: Config, links: LinkStore, serve: Serve
) -> None:
    """The sign-in only writes; the letter goes when the server is there."""
    async with serve() as server:
        pass
    await links.add(LINK, NEWS)
    clock = Clock(1000.0)
    with structlog.testing.capture_logs() as logs:
        assert await a_postman(config, links, a_mail(server.port), clock).deliver_one()
    assert [entry["event"] for entry in logs] == ["letter_waits"]
    async with serve() as server:
        postman = a_postman(config, links, a_mail(server.port), clock)
        await postman.start()
        clock.now += 60
        await comes(server, 1)
        await postman.stop()


@pytest.mark.parametrize(
    ("answer", "event"), [("550 no", "letter_refused"), ("451 later", "letter_given_up")]
)
async def test_it_is_given_up(
    config: Config, links: LinkStore, serve: Serve, answer: str, event: str
) -> None:
    await links.add(LINK, NEWS)
    clock = Clock(1000.0 + (7200.0 if answer.startswith("4") else 0.0))
    async with serve() as server:
        server.to_data = answer
        postman = a_postman(config, links, a_mail(server.port), clock)
        with structlog.testing.capture_logs() as logs:
            assert await postman.deliver_one()
        clock.now += 86400
        assert not await postman.deliver_one()
    assert [entry["event"] for entry in logs] == [event]
    assert "jo@" not in repr(logs)


async def test_an_address_that_is_none_stops_no_other(
    config: Config, links: LinkStore, serve: Serve
) -> None:
    crafted = "jo@home.example\r\nBcc: x@evil.example"
    await links.add(LINK, News("jmarch", "", (crafted, "jo@home.example")))
    async with serve() as server:
        postman = a_postman(config, links, a_mail(server.port), Clock(1000.0))
        assert await postman.deliver_one()
        assert await postman.deliver_one()
    assert [message["To"] for message in server.messages] == ["jo@home.example"]


async def test_who_died_while_sending_is_followed_by_another(
    config: Config, links: LinkStore, serve: Serve
) -> None:
    await links.add(LINK, NEWS)
    clock = Clock(1000.0)
    taken = await links.notices.take_due(clock(), 50.0)
    async with serve() as server:
        postman = a_postman(config, links, a_mail(server.port), clock)
        assert not await postman.deliver_one()
        clock.now += 50
        assert await postman.deliver_one()
    assert taken is not None
    assert server.messages[0]["Message-ID"].startswith(f"<{taken.id}@"), "one letter, told apart"


@pytest.mark.parametrize(
    ("tries", "pause"), [(1, 60), (2, 120), (6, 1920), (7, 3600), (1000, 3600)]
)
def test_pauses(tries: int, pause: float) -> None:
    assert pause_after(tries) == pause
