"""Not one reply or header belongs to somebody else, and the memory stays where it is.

1,000 people at once over connections that they share, on both stores, with hang-ups, slow readers,
stolen cookies, replies that break off and sessions that have to be asked for. `make soak` does the
same with a million requests; docs/performance.md has what came of it.
"""

from pathlib import Path

import pytest
import uvloop

from tests.isolation.browsers import Crowd
from tests.isolation.soak import problems, run
from tests.servers.valkey import Valkey

_PEOPLE = 1000
_REPLIES = 30_000
# What a few thousand requests keep for good (remembered headers) is there by half time; an object
# forgotten a request would be 5 MiB and more.
_WARM = 15_000
_MOST_GROWTH = 5 * 1024 * 1024

pytestmark = pytest.mark.xdist_group("isolation")


def _test(store: str, folder: Path) -> Crowd:
    result = uvloop.run(run(store, folder, _PEOPLE, _REPLIES, _WARM, seed=1))
    assert problems(result, _MOST_GROWTH) == []
    crowd = result.crowd
    assert crowd.checked >= _REPLIES
    assert min(crowd.hung_up, crowd.lost, crowd.stolen, crowd.broken_off) > 0
    assert all(person.answered for person in crowd.people)
    return crowd


def test_nothing_belongs_to_somebody_else_embedded(tmp_path: Path) -> None:
    _test("embedded", tmp_path)


def test_nothing_belongs_to_somebody_else_valkey(tmp_path: Path, valkey: Valkey) -> None:
    _test(valkey.url.reveal(), tmp_path)
