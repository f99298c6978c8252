"""The keys of a process: which makes what is made now, and which is still believed."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.session.cookie import mint, verify
from gateway.session.keys import KeyRing
from gateway.session.keys.model import HEARD, SLACK, Key, begin_of, new_key, root_key
from gateway.session.keys.ring import Lives
from gateway.session.seal import Sealer
from tests.session.keys.test_files import pem, put
from tests.session.samples import Clock, ring_in


class TestSeveralKeys:
    OLD, NEW = "250101000000aaaa", "260101000000aaaa"

    def load(self, directory: Path) -> KeyRing:
        put(directory, f"{self.OLD}.root.key", b"11" * 32)
        put(directory, f"{self.OLD}.es256.pem", pem(ec.generate_private_key(ec.SECP256R1())))
        return ring_in(directory)

    def test_the_newest_is_current_and_the_older_still_serves(self, tmp_path: Path) -> None:
        before = self.load(tmp_path)
        cookie = mint(before)
        sealed = Sealer(before).seal("p", "b", b"text")
        put(tmp_path, f"{self.NEW}.root.key", b"22" * 32 + b"\n")
        put(tmp_path, f"{self.NEW}.es256.pem", pem(ec.generate_private_key(ec.SECP256R1())))

        after = ring_in(tmp_path)

        assert after.root_id == self.NEW
        assert [key.id for key in after.signing_keys] == [self.OLD, self.NEW]
        assert after.signing_key.id == self.NEW
        assert verify(after, cookie.value) == cookie.key
        assert Sealer(after).open("p", "b", sealed) == b"text"
        assert verify(before, mint(after).value) is None


class TestSubkeys:
    def test_differ_by_purpose_root_and_binding(self, tmp_path: Path) -> None:
        put(tmp_path, "250101000000aaaa.root.key", b"11" * 32)
        put(tmp_path, "260101000000aaaa.root.key", b"22" * 32)
        ring = ring_in(tmp_path)
        keys = [
            ring.subkey("250101000000aaaa", "a"),
            ring.subkey("250101000000aaaa", "b"),
            ring.subkey("260101000000aaaa", "a"),
            ring.bound_key("250101000000aaaa", "a", ""),
            ring.bound_key("250101000000aaaa", "a", "x"),
            ring.bound_key("250101000000aaaa", "b", "x"),
        ]
        assert len(set(keys)) == len(keys)
        assert {len(key or b"") for key in keys} == {32}

    def test_none_for_an_unknown_root(self, keys: KeyRing) -> None:
        assert keys.subkey("0000000000000000", "a") is None
        assert keys.bound_key("0000000000000000", "a", "x") is None

    def test_repr_shows_no_key(self, tmp_path: Path) -> None:
        put(tmp_path, "250101000000aaaa.root.key", b"ab" * 32)
        assert "abab" not in repr(ring_in(tmp_path))


NOW = 1_795_000_000.0
HOUR = 3600.0
LIVES: Lives = {"root": 24 * HOUR, "es256": 300.0}


class TestTime:
    """One key in use, another that begins in two hours."""

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock(NOW)

    @pytest.fixture
    def pair(self) -> tuple[Key, Key]:
        return new_key("root", NOW - HOUR), new_key("root", NOW + 2 * HOUR)

    @pytest.fixture
    def signing(self) -> tuple[Key, Key]:
        return new_key("es256", NOW - HOUR), new_key("es256", NOW + 2 * HOUR)

    @pytest.fixture
    def ring(self, pair: tuple[Key, Key], signing: tuple[Key, Key], clock: Clock) -> KeyRing:
        return KeyRing([*pair, *signing], lives=LIVES, clock=clock)

    def test_what_is_announced_is_accepted_and_published_and_makes_nothing(
        self, ring: KeyRing, pair: tuple[Key, Key], signing: tuple[Key, Key]
    ) -> None:
        assert ring.root_id == pair[0].id
        assert ring.signing_key == signing[0]
        assert ring.signing_keys == signing
        assert ring.in_use == (pair[0].name, signing[0].name)
        ahead = KeyRing([pair[1], signing[1]])
        assert verify(ring, mint(ahead).value) is not None
        assert Sealer(ring).open("p", "b", Sealer(ahead).seal("p", "b", b"text")) == b"text"

    def test_its_use_begins_when_its_id_says(
        self, ring: KeyRing, pair: tuple[Key, Key], signing: tuple[Key, Key], clock: Clock
    ) -> None:
        clock.pass_by(2 * HOUR - 1)
        ring.settle()
        assert ring.root_id == pair[0].id
        clock.pass_by(1)
        ring.settle()
        assert ring.root_id == pair[1].id
        assert ring.signing_key == signing[1]

    def test_what_is_retired_is_accepted_while_what_it_made_lives(
        self, ring: KeyRing, pair: tuple[Key, Key], clock: Clock
    ) -> None:
        cookie, sealed = mint(ring), Sealer(ring).seal("p", "b", b"text")
        clock.pass_by(2 * HOUR)
        ring.settle()
        clock.pass_by(24 * HOUR + SLACK - 1)
        assert verify(ring, cookie.value) == cookie.key
        assert Sealer(ring).open("p", "b", sealed) == b"text"
        clock.pass_by(1)
        assert verify(ring, cookie.value) is None
        assert Sealer(ring).open("p", "b", sealed) is None

    def test_a_seal_that_lives_shortly_is_not_believed_longer(
        self, ring: KeyRing, clock: Clock
    ) -> None:
        """Who steals a key that was retired yesterday cannot make up a sign-in of today."""
        sealed = Sealer(ring).seal("p", "b", b"text")
        clock.pass_by(2 * HOUR)
        ring.settle()
        clock.pass_by(600 + SLACK - 1)
        assert Sealer(ring).open("p", "b", sealed, 600.0) == b"text"
        clock.pass_by(1)
        assert Sealer(ring).open("p", "b", sealed, 600.0) is None
        assert Sealer(ring).open("p", "b", sealed) == b"text"

    def test_a_retired_signing_key_is_published_until_its_last_assertion_ended(
        self, ring: KeyRing, signing: tuple[Key, Key], clock: Clock
    ) -> None:
        clock.pass_by(2 * HOUR)
        ring.settle()
        clock.pass_by(300 + SLACK - 1)
        assert list(ring.signing_keys) == list(signing)
        clock.pass_by(1)
        assert list(ring.signing_keys) == [signing[1]]

    def test_a_clock_set_back_brings_no_older_key_back(
        self, ring: KeyRing, pair: tuple[Key, Key], clock: Clock
    ) -> None:
        clock.pass_by(3 * HOUR)
        ring.settle()
        clock.pass_by(-2 * HOUR)
        ring.settle()
        assert ring.root_id == pair[1].id


class TestRenewal:
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock(NOW)

    @pytest.fixture
    def ring(self, clock: Clock) -> KeyRing:
        keys = [new_key("root", NOW - HOUR), new_key("es256", NOW - HOUR)]
        return KeyRing(keys, lives=LIVES, clock=clock)

    def test_a_key_that_comes_is_known_at_once_and_used_when_all_know_it(
        self, ring: KeyRing, clock: Clock
    ) -> None:
        """Somebody put it there by hand: its use should have begun already."""
        before, new = ring.root_id, new_key("root", NOW)
        ring.renew([*ring.keys, new])
        assert verify(ring, mint(KeyRing([new, *ring.keys])).value) is not None
        assert ring.root_id == before
        clock.pass_by(HEARD)
        ring.settle()
        assert ring.root_id == new.id

    def test_one_that_came_a_day_late_signs_nobody_out(self, ring: KeyRing, clock: Clock) -> None:
        cookie = mint(ring)
        new = new_key("root", NOW - HOUR / 2)
        clock.pass_by(30 * HOUR)
        ring.renew([*ring.keys, new])
        clock.pass_by(HEARD)
        ring.settle()
        assert ring.root_id == new.id
        assert verify(ring, cookie.value) is not None

    def test_nor_does_one_that_came_with_a_restart(self, ring: KeyRing, clock: Clock) -> None:
        cookie, new = mint(ring), new_key("root", NOW - HOUR / 2)
        clock.pass_by(30 * HOUR)
        restarted = KeyRing(lives=LIVES, clock=clock)
        restarted.renew([*ring.keys, new], late=clock())
        assert restarted.root_id == new.id
        assert verify(restarted, cookie.value) is not None

    def test_whoever_asked_hears_what_was_dropped(self, ring: KeyRing) -> None:
        heard: list[frozenset[str]] = []
        ring.on_change(heard.append)
        old, new = ring.keys, new_key("root", NOW + HOUR)
        ring.renew([*old, new])
        ring.renew([*old, new])
        root = next(key for key in old if key.kind == "root")
        ring.renew([new, *(old - {root})])
        assert heard == [frozenset(), frozenset({root.name})]
        assert ring.root_id == new.id

    def test_another_key_under_the_same_name_is_another_key(self, clock: Clock) -> None:
        ring = KeyRing([root_key("0" * 16, b"1" * 32)], clock=clock)
        cookie = mint(ring).value
        assert verify(ring, cookie) is not None
        ring.renew([root_key("0" * 16, b"2" * 32)])
        assert verify(ring, cookie) is None

    def test_an_empty_ring_makes_nothing(self) -> None:
        ring = KeyRing()
        assert ring.signing_keys == ()
        for ask in (lambda: ring.root_id, lambda: ring.signing_key):
            with pytest.raises(LookupError):
                ask()

    def test_says_names_only(self, ring: KeyRing) -> None:
        assert repr(ring) == f"<KeyRing {' '.join(sorted(key.name for key in ring.keys))}>"
        assert begin_of(ring.root_id) == NOW - HOUR
