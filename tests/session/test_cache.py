"""The cache forgets the least used, and never one whose tunnels must be closed."""

import gc

from gateway.session.cache import Cache
from gateway.session.entry import Live
from gateway.session.keys import KeyRing
from gateway.session.seal import Sealer
from tests.session.samples import a_session, lines_for

NOW = 1_800_000_000.0


def live_of(keys: KeyRing) -> Live:
    return Live(a_session(NOW), lines_for(keys), Sealer(keys))


def test_finds_by_cookie_and_by_key(keys: KeyRing) -> None:
    cache, live = Cache(), live_of(keys)
    cache.put("cookie", live)
    assert cache.get("cookie") is live
    assert cache.find(live.session.key) is live
    assert cache.get("other") is None


def test_one_without_a_cookie_is_found_by_its_key_while_somebody_holds_it(keys: KeyRing) -> None:
    cache, live = Cache(), live_of(keys)
    key = live.session.key
    cache.introduce(live)
    assert (cache.find(key), len(cache)) == (live, 0)
    assert cache.drop(key) is live
    cache.introduce(live)
    del live
    gc.collect()
    assert cache.find(key) is None


def test_one_session_may_have_two_cookies(keys: KeyRing) -> None:
    """The same id under an old and a new key."""
    cache, live = Cache(), live_of(keys)
    cache.put("old", live)
    cache.put("new", live)
    assert cache.drop(live.session.key) is live
    assert (cache.get("old"), cache.get("new"), len(cache)) == (None, None, 0)


def test_forgets_the_least_recently_used(keys: KeyRing) -> None:
    cache, lives = Cache(2), [live_of(keys) for _ in range(3)]
    cache.put("0", lives[0])
    cache.put("1", lives[1])
    cache.get("0")
    cache.put("2", lives[2])
    assert [cache.get(name) for name in "012"] == [lives[0], None, lives[2]]


def test_keeps_what_has_something_open(keys: KeyRing) -> None:
    cache, lives = Cache(2), [live_of(keys) for _ in range(4)]
    lives[0].closers.add(lambda: None)
    for number, live in enumerate(lives):
        cache.put(str(number), live)
    assert cache.get("0") is lives[0]
    assert len(cache) == 2


def test_is_bounded_even_when_everything_is_open(keys: KeyRing) -> None:
    cache, lives = Cache(2), [live_of(keys) for _ in range(4)]
    for number, live in enumerate(lives):
        live.closers.add(lambda: None)
        cache.put(str(number), live)
    assert len(cache) == 4
    assert all(cache.get(str(number)) for number in range(4))


def test_a_forgotten_session_that_is_still_held_is_found_again(keys: KeyRing) -> None:
    """A request may hold it while its tunnel opens: its end must find the closer."""
    cache, held = Cache(1), live_of(keys)
    cache.put("0", held)
    cache.put("1", live_of(keys))
    assert cache.get("0") is None
    assert cache.find(held.session.key) is held


def test_nothing_keeps_a_forgotten_session_alive(keys: KeyRing) -> None:
    cache, live = Cache(1), live_of(keys)
    key = live.session.key
    cache.put("0", live)
    cache.put("1", live_of(keys))
    del live
    gc.collect()
    assert cache.find(key) is None


def test_parts_are_everything_once(keys: KeyRing) -> None:
    cache, lives = Cache(), [live_of(keys) for _ in range(1100)]
    for number, live in enumerate(lives):
        cache.put(str(number), live)
    parts = list(cache.parts())
    assert max(len(part) for part in parts) <= 500
    assert [live for part in parts for live in part] == lives


def test_forgotten_is_forgotten_unless_held(keys: KeyRing) -> None:
    cache, live = Cache(), live_of(keys)
    cache.put("old", live)
    cache.put("new", live)
    cache.forget(live)
    assert (cache.get("old"), cache.get("new"), len(cache)) == (None, None, 0)
    assert cache.find(live.session.key) is live
