"""A sealed value opens for exactly what it was sealed for, unchanged, or not at all."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.session.keys import KeyRing
from gateway.session.seal import Sealer
from tests.session.samples import new_keys

fuzz = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture
def sealer(keys: KeyRing) -> Sealer:
    return Sealer(keys)


@fuzz
@given(purpose=st.text(), bound_to=st.text(st.characters(codec="utf-8")), plaintext=st.binary())
def test_opens_to_what_was_sealed(
    sealer: Sealer, purpose: str, bound_to: str, plaintext: bytes
) -> None:
    purpose = purpose.encode("ascii", "replace").decode()
    sealed = sealer.seal(purpose, bound_to, plaintext)
    assert sealer.open(purpose, bound_to, sealed) == plaintext


@fuzz
@given(
    sealed_for=st.tuples(st.text("ab "), st.text("ab ")),
    opened_for=st.tuples(st.text("ab "), st.text("ab ")),
)
def test_opens_for_nothing_else(
    sealer: Sealer, sealed_for: tuple[str, str], opened_for: tuple[str, str]
) -> None:
    opened = sealer.open(*opened_for, sealer.seal(*sealed_for, b"text"))
    assert (opened == b"text") == (sealed_for == opened_for)


def test_where_purpose_ends_matters(sealer: Sealer) -> None:
    assert sealer.open("a", "bc", sealer.seal("ab", "c", b"text")) is None


def test_is_safe_in_cookies_and_urls(sealer: Sealer) -> None:
    assert re.fullmatch(r"[0-9a-z]{16}\.[A-Za-z0-9_-]+", sealer.seal("p", "b", bytes(range(256))))


def test_twice_the_same_gives_different_texts(sealer: Sealer) -> None:
    assert sealer.seal("p", "b", b"text") != sealer.seal("p", "b", b"text")


def test_does_not_show_what_is_inside(sealer: Sealer) -> None:
    assert "text" not in sealer.seal("p", "b", b"text" * 100)


def test_another_gateway_s_seal_is_nothing(sealer: Sealer, tmp_path: Path) -> None:
    other = Sealer(new_keys(tmp_path / "other"))
    assert sealer.open("p", "b", other.seal("p", "b", b"text")) is None


@fuzz
@given(data=st.data())
def test_any_one_character_changed_is_nothing(sealer: Sealer, data: st.DataObject) -> None:
    sealed = sealer.seal("p", "b", b"some text that is longer than a block")
    at = data.draw(st.integers(0, len(sealed) - 1))
    other = data.draw(st.characters().filter(lambda character: character != sealed[at]))
    assert sealer.open("p", "b", sealed[:at] + other + sealed[at + 1 :]) is None


@fuzz
@given(length=st.integers(0, 80))
def test_cut_off_anywhere_is_nothing(sealer: Sealer, length: int) -> None:
    sealed = sealer.seal("p", "b", b"0123456789012345")
    assert sealer.open("p", "b", sealed[: min(length, len(sealed) - 1)]) is None


@fuzz
@given(text=st.text() | st.from_regex(r"[0-9a-z]{16}\.[A-Za-z0-9_=-]*"))
def test_no_text_is_a_seal_by_chance(sealer: Sealer, keys: KeyRing, text: str) -> None:
    assert sealer.open("p", "b", text) is None
    assert sealer.open("p", "b", f"{keys.root_id}.{text}") is None


def test_the_huge_is_refused_before_any_work(sealer: Sealer) -> None:
    sealed = sealer.seal("p", "b", bytes(100_000))
    assert sealer.open("p", "b", sealed) is None
