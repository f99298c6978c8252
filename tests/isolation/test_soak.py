"""What a run says of itself: what was wrong, and apart from it what was not answered."""

import asyncio
import random

from tests.isolation.browsers import Crowd, Person, ask_all
from tests.isolation.soak import Result, problems
from tests.session.samples import until

_ACCOUNTS = (b"one", b"two", b"three")
_NO = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
_ODD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwhat"


async def told(reply: bytes) -> list[str]:
    """What a run finds wrong with a gateway that says `reply` to everybody."""

    open_: set[asyncio.StreamWriter] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_.add(writer)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()
        open_.discard(writer)

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, asyncio.timeout(20):
        people = [Person(name, b"sonar_sso=" + name) for name in _ACCOUNTS]
        port = server.sockets[0].getsockname()[1]
        crowd = Crowd(people, port, 1000, 10, random.Random(1))  # noqa: S311 - to be repeated
        await ask_all(crowd, 4)
        for writer in open_:
            writer.transport.abort()
        await until(lambda: not open_ and len(asyncio.all_tasks()) == 1)
    result = Result("python", crowd, [], seconds=1.0, early=0, late=0)
    assert f"{len(crowd.wrong)} wrong, {len(crowd.unanswered)} not answered" in str(result)
    return problems(result, most_growth=0)


async def test_who_is_not_answered_is_told_apart_and_is_a_failure() -> None:
    found = await told(_NO)
    assert len(found) >= 100
    assert [each for each in found if not each.startswith("not answered: ")] == []


async def test_a_wrong_reply_ends_the_run_and_is_a_failure() -> None:
    found = await told(_ODD)
    assert found
    assert found[0].startswith("wrong: ")
