"""What a record is bound to: its own words, its place, the one before it, a key."""

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.operate.audit.chain import NOTHING, Chain, Record, digest
from tests.operate.audit.samples import FOREIGN, NEW, OLD, a_record, ring

CHAIN = Chain(ring(OLD, NEW))
RECORDS = [a_record(number) for number in range(1, 5)]
ENTRIES = CHAIN.follow(0, NOTHING, RECORDS)


def test_records_follow_one_another() -> None:
    place = (0, NOTHING)
    for entry in ENTRIES:
        assert CHAIN.misfit(*place, entry) is None
        place = (entry.number, entry.hash)
    assert place[0] == 4


def test_a_chain_goes_on_where_it_stopped() -> None:
    first = CHAIN.follow(0, NOTHING, RECORDS[:2])
    rest = CHAIN.follow(2, first[-1].hash, RECORDS[2:])
    assert (*first, *rest) == ENTRIES


@pytest.mark.parametrize("name", [field.name for field in fields(Record)])
def test_no_word_of_a_record_can_be_changed(name: str) -> None:
    entry = ENTRIES[1]
    value: Any = 2.5 if name == "time" else "x"
    changed = replace(entry.record, **{name: value})
    misfit = CHAIN.misfit(1, ENTRIES[0].hash, replace(entry, record=changed))
    assert misfit is not None
    assert misfit.number == 2


def test_a_record_stands_in_one_place_only() -> None:
    assert CHAIN.misfit(2, ENTRIES[1].hash, replace(ENTRIES[3], number=3)) is not None
    assert CHAIN.misfit(1, ENTRIES[1].hash, ENTRIES[1]) is not None


def test_a_gap_is_the_record_that_is_missing() -> None:
    misfit = CHAIN.misfit(1, ENTRIES[0].hash, ENTRIES[2])
    assert misfit is not None
    assert (misfit.number, misfit.wrong) == (2, "is missing: 3 comes after 1")


def test_who_has_no_key_cannot_make_it_fit_again() -> None:
    """Whoever writes the table can compute hashes as well as we can."""
    changed = replace(RECORDS[1], account="666")
    forged = Chain(ring(FOREIGN)).follow(1, ENTRIES[0].hash, [changed])[0]
    misfit = CHAIN.misfit(1, ENTRIES[0].hash, replace(forged, key_id=NEW))
    assert misfit is not None
    assert misfit.wrong == "was written by somebody who does not have the key"


def test_a_record_of_a_key_that_is_gone_is_held_by_the_ones_after_it() -> None:
    old = Chain(ring(OLD)).follow(0, NOTHING, RECORDS[:2])
    later = Chain(ring(NEW))
    assert later.misfit(0, NOTHING, old[0]) is None
    new = later.follow(2, old[1].hash, RECORDS[2:])
    assert later.misfit(2, old[1].hash, new[0]) is None
    changed = replace(old[1], record=a_record(9))
    assert later.misfit(1, old[0].hash, changed) is not None


@pytest.mark.parametrize(
    "change",
    [{"number": 3}, {"hash": "0" * 64}, {"trimmed": 1}, {"trimmed_hash": "1" * 64}, {"mac": ""},
     {"key_id": OLD}, {"key_id": FOREIGN}],
    ids=str,
)  # fmt: skip
def test_a_head_is_ours_or_not(change: dict[str, object]) -> None:
    head = CHAIN.head(4, ENTRIES[-1].hash)
    assert CHAIN.is_ours(head)
    assert not CHAIN.is_ours(replace(head, **change))  # type: ignore[arg-type]


texts = st.none() | st.text(max_size=4)


@given(*(st.tuples(texts, texts, texts) for _ in range(2)))
def test_two_records_never_have_one_hash(
    one: tuple[str | None, ...], other: tuple[str | None, ...]
) -> None:
    """Neither by moving text from one field into the next nor by leaving a field out."""
    assume(one != other)
    first = Record(1.0, "sign_in", *one)
    second = Record(1.0, "sign_in", *other)
    assert digest(1, NOTHING, first) != digest(1, NOTHING, second)
