"""Refusals that anybody can cause do not fill the database."""

import pytest

from gateway.operate.audit.allowance import Allowance


def kept(allowance: Allowance, who: str, now: float, times: int) -> int:
    return sum(allowance.has_room(who, now, named=False) for _ in range(times))


def test_one_person_gets_no_more_than_their_share() -> None:
    allowance = Allowance()
    assert kept(allowance, "192.0.2.7", 100.0, 700) == 600
    assert allowance.left_out == 100
    assert kept(allowance, "192.0.2.8", 100.0, 1) == 1


def test_a_flood_that_goes_on_is_kept_a_little_at_a_time() -> None:
    """Ten refusals a second for an hour."""
    allowance = Allowance()
    of_an_hour = sum(kept(allowance, "192.0.2.7", 100.0 + at / 10, 1) for at in range(36_000))
    assert 600 + 59 * 30 < of_an_hour <= 600 + 60 * 30


def test_who_comes_back_later_has_a_whole_share_again() -> None:
    allowance = Allowance()
    assert kept(allowance, "192.0.2.7", 100.0, 700) == 600
    assert kept(allowance, "192.0.2.7", 160.0, 700) == 30
    assert kept(allowance, "192.0.2.7", 160.0 + 20 * 60, 700) == 600
    # A clock that was put back does not close the door for as long.
    assert kept(allowance, "192.0.2.7", 50.0, 700) == 0
    assert kept(allowance, "192.0.2.7", 110.0, 700) == 30


@pytest.mark.parametrize("named", [True, False])
def test_all_together_neither(named: bool) -> None:
    allowance = Allowance()
    room = sum(allowance.has_room(f"{number}", 100.0, named=named) for number in range(7000))
    assert (room, allowance.left_out) == (6000, 1000)
    later = sum(allowance.has_room(f"{number}", 160.0, named=named) for number in range(7000))
    assert later == 300


def test_a_flood_from_nobody_hides_nobody_that_has_a_name() -> None:
    """Who has a /48 has 65,536 addresses of IPv6, as they count here."""
    allowance = Allowance()
    for number in range(7000):
        allowance.has_room(f"2001:db8:1:{number:x}::", 100.0, named=False)
    assert allowance.has_room("a subject of Google's", 100.0, named=True)


def test_made_up_addresses_fill_no_memory() -> None:
    allowance = Allowance()
    for number in range(100_000):
        allowance.has_room(f"2001:db8:1:{number:x}::", 100.0 + number / 100, named=False)
    assert len(allowance._of) < 7000
