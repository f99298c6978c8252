"""One signed-in browser in memory: its lines, its sealed cookies, its closers."""

import json
from base64 import urlsafe_b64decode

import pytest

from gateway.session.cookie import SEALED_PREFIX
from gateway.session.entry import Live
from gateway.session.keys import KeyRing
from gateway.session.keys.model import new_key
from gateway.session.model import Session
from gateway.session.seal import Sealer
from tests.session.samples import Clock, a_session, lines_for

NOW = 1_800_000_000.0


def live_of(keys: KeyRing, session: Session | None = None) -> Live:
    return Live(session or a_session(NOW), lines_for(keys), Sealer(keys))


class TestIdentityHeaders:
    def test_are_made_once_until_the_assertion_nears_its_end(self, keys: KeyRing) -> None:
        live = live_of(keys)
        first = live.identity_headers(NOW)
        assert live.identity_headers(NOW + 239) is first
        assert live.identity_headers(NOW + 240) != first


class TestLegacyCookies:
    @pytest.mark.parametrize(
        "value", ["abc", "", "a=b; c", "päss", "\xff\x00", "x" * 5000, "\udc80"]
    )
    def test_open_to_what_was_sealed(self, value: str, keys: KeyRing) -> None:
        live = live_of(keys)
        sealed = live.seal("SONARSESSID", value)
        assert sealed.startswith(SEALED_PREFIX)
        assert live.open("SONARSESSID", sealed) == value

    def test_open_after_a_restart(self, keys: KeyRing) -> None:
        session = a_session(NOW)
        sealed = live_of(keys, session).seal("SONARSESSID", "abc")
        assert live_of(keys, session).open("SONARSESSID", sealed) == "abc"

    def test_of_another_session_or_name_are_nothing(self, keys: KeyRing) -> None:
        live = live_of(keys)
        sealed = live.seal("SONARSESSID", "abc")
        assert live.open("OTHER", sealed) is None
        assert live_of(keys).open("SONARSESSID", sealed) is None

    @pytest.mark.parametrize("sealed", ["", "abc", SEALED_PREFIX, SEALED_PREFIX + "abc"])
    def test_what_we_did_not_seal_is_nothing(self, sealed: str, keys: KeyRing) -> None:
        assert live_of(keys).open("SONARSESSID", sealed) is None

    def test_without_the_prefix_it_is_nothing(self, keys: KeyRing) -> None:
        live = live_of(keys)
        sealed = live.seal("SONARSESSID", "abc").removeprefix(SEALED_PREFIX)
        assert live.open("SONARSESSID", sealed) is None

    def test_the_same_value_is_sealed_and_opened_once(self, keys: KeyRing) -> None:
        live = live_of(keys)
        sealed = live.seal("SONARSESSID", "abc")
        assert live.seal("SONARSESSID", "abc") is sealed
        assert live.open("SONARSESSID", sealed) is live.open("SONARSESSID", sealed)

    def test_made_up_values_fill_no_memory(self, keys: KeyRing) -> None:
        live = live_of(keys)
        for number in range(1000):
            live.open("SONARSESSID", f"{SEALED_PREFIX}{keys.root_id}.{number:050}")
            live.seal("SONARSESSID", str(number))
        assert len(live._opened) <= 8
        assert len(live._sealed) <= 8

    def test_the_cookie_s_text_is_safe(self, keys: KeyRing) -> None:
        sealed = live_of(keys).seal("SONARSESSID", 'a b;c,"')
        assert not set(sealed) & set(' ;,"\\')


class TestActivity:
    def test_moves_the_end(self, keys: KeyRing) -> None:
        live = live_of(keys, a_session(NOW, idle=100, lifetime=250))
        assert live.ends == NOW + 100
        live.active(NOW + 60)
        assert live.ends == NOW + 160
        live.active(NOW + 200)
        assert live.ends == NOW + 250

    def test_never_moves_it_back(self, keys: KeyRing) -> None:
        live = live_of(keys, a_session(NOW, idle=100))
        live.active(NOW + 60)
        live.active(NOW + 10)
        assert live.ends == NOW + 160


class TestDoubt:
    def test_begins_once(self, keys: KeyRing) -> None:
        live = live_of(keys)
        live.doubt(NOW)
        live.doubt(NOW + 10)
        assert live.doubted == NOW

    def test_is_taken_away_by_the_store_s_word(self, keys: KeyRing) -> None:
        live = live_of(keys)
        live.doubt(NOW)
        live.confirm(live.session)
        assert live.doubted is None


class TestClosers:
    def test_are_called_once(self, keys: KeyRing) -> None:
        live, calls = live_of(keys), list[int]()
        live.closers.add(lambda: calls.append(1))
        live.end()
        live.end()
        assert calls == [1]
        assert live.ended

    def test_one_that_breaks_keeps_no_other_open(self, keys: KeyRing) -> None:
        live, calls = live_of(keys), list[int]()

        def broken() -> None:
            raise RuntimeError("no")

        live.closers |= {broken, lambda: calls.append(1), lambda: calls.append(2)}
        live.end()
        assert sorted(calls) == [1, 2]

    def test_one_may_take_itself_out_while_being_called(self, keys: KeyRing) -> None:
        live, calls = live_of(keys), list[int]()

        def closer() -> None:
            live.closers.discard(closer)
            calls.append(1)

        live.closers.add(closer)
        live.end()
        assert calls == [1]


def test_repr_shows_only_the_public_id(keys: KeyRing) -> None:
    live = live_of(keys)
    assert repr(live) == f"<Live {live.session.public_id}>"


class TestKeys:
    def test_nothing_made_with_a_dropped_key_is_handed_on(self) -> None:
        """Sealed, opened, signed and rendered ahead alike."""
        old, new = (new_key("root", NOW), new_key("es256", NOW)), new_key("root", NOW + 1)
        ring = KeyRing([*old, new], clock=Clock(NOW + 2))
        live = live_of(ring)
        sealed, lines = live.seal("SONARSESSID", "abc"), live.identity_headers(NOW)
        before = Sealer(KeyRing(old)).seal("legacy cookie", f"{live.session.key} OTHER", b"x")
        assert live.open("OTHER", SEALED_PREFIX + before) == "x"
        live.remember("a head", lines)

        successor = new_key("es256", NOW + 1)
        ring.renew([new, successor])
        live.forget_keys()

        assert live.open("OTHER", SEALED_PREFIX + before) is None
        assert live.open("SONARSESSID", sealed) == "abc"
        assert live.seal("SONARSESSID", "abc") != sealed
        assert live.remembered == {}
        assertion = live.identity_headers(NOW).partition(b"X-Sonar-Assertion: ")[2]
        assert assertion != lines.partition(b"X-Sonar-Assertion: ")[2]
        header = assertion.partition(b".")[0].decode()
        assert json.loads(urlsafe_b64decode(header + "=="))["kid"] == successor.id
