"""Refusals that anybody can cause do not fill the database."""

from gateway.operate.audit.allowance import Allowance


def test_one_person_gets_no_more_than_their_share() -> None:
    allowance = Allowance()
    kept = sum(allowance.has_room("192.0.2.7", 100.0) for _ in range(50))
    assert (kept, allowance.left_out) == (30, 20)
    assert allowance.has_room("192.0.2.8", 100.0)


def test_all_together_neither() -> None:
    allowance = Allowance()
    kept = sum(allowance.has_room(f"192.0.2.{number}", 100.0) for number in range(1000))
    assert (kept, allowance.left_out) == (600, 400)


def test_a_minute_later_there_is_room_again() -> None:
    allowance = Allowance()
    for _ in range(31):
        allowance.has_room("192.0.2.7", 100.0)
    assert not allowance.has_room("192.0.2.7", 159.9)
    assert allowance.has_room("192.0.2.7", 160.0)
    # A clock that was put back does not close the door for as long.
    assert all(allowance.has_room("192.0.2.7", 50.0) for _ in range(30))
