"""Tasks beside the requests: they outlive what goes wrong, and stop when told."""

import asyncio

import pytest

from gateway.tasks import Rounds, few_at_a_time, stopped


async def test_a_stopped_task_is_over() -> None:
    left = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            left.append("in order")

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    await stopped(task)
    assert left == ["in order"]
    await stopped(task)
    await stopped(None)


async def test_what_a_task_died_of_stops_nobody_s_stopping() -> None:
    async def dies() -> None:
        raise LookupError

    task = asyncio.create_task(dies())
    await asyncio.sleep(0)
    await stopped(task)
    assert isinstance(task.exception(), LookupError)


async def test_whoever_stops_a_task_can_be_cancelled() -> None:
    """Its own cancellation is not taken for the task's."""
    began = asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            began.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    stopping = asyncio.create_task(stopped(task))
    await began.wait()
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    await stopped(task)


async def test_rounds_outlive_what_goes_wrong_in_one() -> None:
    done, failed = list[int](), list[int]()
    enough = asyncio.Event()

    async def work() -> None:
        done.append(len(done))
        if len(done) == 3:
            enough.set()
        if len(done) == 2:
            raise LookupError

    rounds = Rounds(work, 0.001, lambda: failed.append(done[-1]))
    rounds.start()
    await asyncio.wait_for(enough.wait(), 10)
    await rounds.stop()
    assert failed == [1]
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await rounds.stop()


async def test_rounds_may_begin_at_once() -> None:
    done = asyncio.Event()

    async def work() -> None:
        done.set()

    rounds = Rounds(work, 3600, lambda: None, at_once=True)
    rounds.start()
    await asyncio.wait_for(done.wait(), 10)
    await rounds.stop()


async def test_a_few_at_a_time_and_never_more() -> None:
    now, most = 0, 0

    async def work(number: int) -> int:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        return number * number

    assert await few_at_a_time(3, work, iter(range(10))) == [n * n for n in range(10)]
    assert most == 3
    assert await few_at_a_time(3, work, ()) == []


async def test_none_more_are_begun_after_a_failure() -> None:
    begun = []

    async def work(number: int) -> None:
        begun.append(number)
        raise LookupError

    with pytest.raises(LookupError):
        await few_at_a_time(3, work, range(10))
    assert begun == [0, 1, 2]


async def test_a_failure_is_told_when_those_under_way_are_over() -> None:
    over = []

    async def work(number: int) -> None:
        if number == 0:
            raise LookupError
        await asyncio.sleep(0)
        over.append(number)

    with pytest.raises(LookupError):
        await few_at_a_time(3, work, range(10))
    assert over == [1, 2]
