"""What is to be done with a key follows from its id and the time, for everybody alike."""

import pickle
from base64 import b64encode, urlsafe_b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.session.keys.model import (
    SLACK,
    UnusableKey,
    begin_of,
    new_key,
    new_key_id,
    root_key,
    signing_key,
    standings,
)
from tests.session.keys.test_files import pem

NOW = 1_795_000_000.0
DAY = 86400.0


def test_ids_sort_by_age() -> None:
    assert new_key_id(1_700_000_000) < new_key_id(1_700_000_001) < new_key_id(1_900_000_000)


def test_an_id_says_when_its_use_begins() -> None:
    assert begin_of(new_key_id(NOW)) == NOW
    assert begin_of("251399000000aaaa") == 0.0
    assert begin_of("0" * 16) == 0.0


@pytest.mark.parametrize(
    ("at", "states"),
    [
        # Made at 0 days and (use begins) at 1 and 2; what they make lives a day.
        (-0.5, ["in use", "announced", "announced"]),
        (0.5, ["in use", "announced", "announced"]),
        (1.0, ["retired", "in use", "announced"]),
        (1.999, ["retired", "in use", "announced"]),
        (2.0, ["retired", "retired", "in use"]),
        (2.01, ["over", "retired", "in use"]),
        (3.01, ["over", "over", "in use"]),
        (300.0, ["over", "over", "in use"]),
    ],
)
def test_standings(at: float, states: list[str]) -> None:
    keys = [new_key("root", NOW + day * DAY) for day in (0, 1, 2)]
    found = standings(reversed(keys), NOW + at * DAY, DAY)
    assert [each.key for each in found] == keys
    assert [each.state for each in found] == states


def test_a_retired_key_ends_when_nothing_made_with_it_can_live() -> None:
    keys = [new_key("root", NOW), new_key("root", NOW + DAY)]
    retired, _ = standings(keys, NOW + DAY, lives=7 * DAY)
    assert (retired.stopped, retired.ends) == (NOW + DAY, NOW + 8 * DAY + SLACK)
    assert standings(keys, NOW + 8 * DAY + SLACK - 1, 7 * DAY)[0].state == "retired"
    assert standings(keys, NOW + 8 * DAY + SLACK, 7 * DAY)[0].state == "over"


def test_a_clock_that_is_set_back_brings_no_older_key_back() -> None:
    old, new = new_key("root", NOW), new_key("root", NOW + DAY)
    back = standings([old, new], NOW + DAY - 3600, DAY, used=new.id)
    assert [each.state for each in back] == ["retired", "in use"]
    # But to a key that is gone nobody holds on.
    assert [each.state for each in standings([old], NOW, DAY, used=new.id)] == ["in use"]


def test_a_key_that_came_late_was_not_used_before() -> None:
    old, late = new_key("root", NOW), new_key("root", NOW + DAY)
    seen = {late.name: NOW + 3 * DAY}
    before, after = (
        standings([old, late], NOW + days * DAY, DAY, seen=seen) for days in (2.9, 3.1)
    )
    assert [each.state for each in before] == ["in use", "announced"]
    assert [each.state for each in after] == ["retired", "in use"]
    assert after[0].ends == NOW + 4 * DAY + SLACK


def test_no_keys_no_standings() -> None:
    assert standings([], NOW, DAY) == ()


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_root_of_another_size_is_none(size: int) -> None:
    with pytest.raises(UnusableKey, match="32 bytes"):
        root_key("0" * 16, b"x" * size)


def test_a_signing_key_is_read_from_pem_and_der() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    from_pem = signing_key("0" * 16, pem(private))
    assert signing_key("0" * 16, from_pem.material) == from_pem
    assert signing_key("0" * 16, from_pem.pem) == from_pem


@pytest.mark.parametrize("kind", ["root", "es256"])
def test_a_key_is_never_shown(kind: str) -> None:
    key = new_key("root" if kind == "root" else "es256", NOW)
    shown = f"{key!r} {key} {[key]} {vars(key) if hasattr(key, '__dict__') else ''}"
    for spelled in (key.material.hex(), b64encode(key.material), urlsafe_b64encode(key.material)):
        assert str(spelled) not in shown
    assert repr(key) == f"<Key {key.name}>"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(key)


def test_keys_are_the_same_when_name_and_material_are() -> None:
    one, other = root_key("0" * 16, b"1" * 32), root_key("0" * 16, b"2" * 32)
    assert one == root_key("0" * 16, b"1" * 32)
    assert one != other
    assert one != "a key"
    assert len({one, other, root_key("0" * 16, b"1" * 32)}) == 2
