"""Refusals that anybody can cause do not fill the database."""

import pytest

from gateway.operate.audit.allowance import Allowance


def test_one_person_gets_no_more_than_their_share() -> None:
    allowance = Allowance()
    kept = sum(allowance.has_room("192.0.2.7", 100.0, named=False) for _ in range(50))
    assert (kept, allowance.left_out) == (30, 20)
    assert allowance.has_room("192.0.2.8", 100.0, named=False)


@pytest.mark.parametrize("named", [True, False])
def test_all_together_neither(named: bool) -> None:
    allowance = Allowance()
    kept = sum(allowance.has_room(f"{number}", 100.0, named=named) for number in range(1000))
    assert (kept, allowance.left_out) == (300, 700)


def test_a_flood_from_nobody_hides_nobody_that_has_a_name() -> None:
    """Who has a /48 has 65,536 addresses of IPv6, as they count here."""
    allowance = Allowance()
    for number in range(1000):
        allowance.has_room(f"2001:db8:1:{number:x}::", 100.0, named=False)
    assert allowance.has_room("a subject of Google's", 100.0, named=True)


def test_a_minute_later_there_is_room_again() -> None:
    allowance = Allowance()
    for _ in range(31):
        allowance.has_room("192.0.2.7", 100.0, named=False)
    assert not allowance.has_room("192.0.2.7", 159.9, named=False)
    assert allowance.has_room("192.0.2.7", 160.0, named=False)
    # A clock that was put back does not close the door for as long.
    assert all(allowance.has_room("192.0.2.7", 50.0, named=False) for _ in range(30))
