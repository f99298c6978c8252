"""Who is replaced when, and by which configuration."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.config import Config, config_from
from gateway.workers.crew import Member
from gateway.workers.line import pair
from gateway.workers.restart import Restart

Make = Callable[[int], Member]


def a_config(folder: Path, **server: object) -> Config:
    sections = {
        "server": {"workers": 2, **server},
        "upstream": {"url": "http://127.0.0.1:8081"},
        "providers": {"google": {"client_id": "sonar", "client_secret": "made-up"}},
        "directory": {"kind": "file", "path": "accounts.yaml"},
    }
    return config_from(sections, folder)


@pytest.fixture
def old(tmp_path: Path) -> Config:
    return a_config(tmp_path)


@pytest.fixture
def new(tmp_path: Path) -> Config:
    return a_config(tmp_path, drain="3s")


@pytest.fixture
def make() -> Iterator[Make]:
    """A worker in a place."""
    lines = []

    def made(number: int) -> Member:
        ours, theirs = pair()
        theirs.close()
        lines.append(ours)
        return Member(number, 1000 + len(lines), ours, 0.0, 0.0)

    yield made
    for line in lines:
        line.close()


def replaced(restart: Restart, make: Make) -> int | None:
    """Have the next one replaced; in which place."""
    due = restart.due()
    if due is None:
        return None
    number, config = due
    successor = make(number)
    restart.tried(successor, config)
    assert restart.due() is None, "one at a time"
    assert restart.takes_over(successor)
    return number


def test_nobody_is_replaced_without_a_restart(old: Config, make: Make) -> None:
    restart = Restart(old)

    assert restart.is_over
    assert restart.due() is None
    assert restart.config_for(1) is old
    assert not restart.takes_over(make(1))
    assert not restart.gave_up(make(1))


def test_one_after_the_other_and_then_the_new_one_is_in_force(
    old: Config, new: Config, make: Make
) -> None:
    restart = Restart(old)
    restart.begin(new, [1, 2])

    assert restart.due() == (1, new)
    assert replaced(restart, make) == 1
    assert restart.config is old
    assert replaced(restart, make) == 2

    assert restart.is_over
    assert restart.config is new


def test_who_dies_meanwhile_comes_back_by_what_its_place_goes_by(
    old: Config, new: Config, make: Make
) -> None:
    restart = Restart(old)
    restart.begin(new, [1, 2])
    replaced(restart, make)

    assert restart.config_for(1) is new
    assert restart.config_for(2) is old


def test_what_could_not_be_started_is_due_again(old: Config, new: Config) -> None:
    restart = Restart(old)
    restart.begin(new, [1, 2])

    restart.tried(None, new)

    assert restart.due() == (1, new)


def test_a_successor_that_ends_ends_the_restart(old: Config, new: Config, make: Make) -> None:
    restart = Restart(old)
    restart.begin(new, [1, 2])
    successor, another = make(1), make(1)
    restart.tried(successor, new)

    assert not restart.gave_up(another), "somebody else's end is none of it"
    assert restart.gave_up(successor)

    assert restart.is_over
    assert restart.config is old
    assert restart.config_for(1) is old


def test_told_again_meanwhile_everybody_goes_by_the_newest(
    tmp_path: Path, old: Config, new: Config, make: Make
) -> None:
    """Also the successor that was on its way by what was to come before."""
    restart = Restart(old)
    restart.begin(new, [1, 2])
    successor = make(1)
    restart.tried(successor, new)
    newest = a_config(tmp_path, drain="4s")

    restart.begin(newest, [1, 2])

    assert restart.takes_over(successor)
    assert restart.due() == (1, newest)
    assert [replaced(restart, make), replaced(restart, make)] == [1, 2]
    assert restart.config is newest


@pytest.mark.parametrize(
    ("server", "key"),
    [
        ({"workers": 3}, "server.workers"),
        ({"listen": "127.0.0.1:8099"}, "server.listen"),
        ({"management": "127.0.0.1:9099"}, "server.management"),
        ({"drain": "3s"}, None),
    ],
)
def test_what_only_a_start_can_change(
    tmp_path: Path, old: Config, server: dict[str, object], key: str | None
) -> None:
    assert Restart(old).forbidden(a_config(tmp_path, **server)) == key
