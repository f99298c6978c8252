"""Guessing is bounded, for one address at a time, and so is what is remembered of it."""

from gateway.portal.misses import Misses


def test_so_many_and_no_more_until_the_window_is_over() -> None:
    misses = Misses(most=3, window=60.0)
    for at in (0.0, 10.0, 59.0):
        assert not misses.too_many("192.0.2.1", "", at)
        misses.add("192.0.2.1", "", at)

    assert misses.too_many("192.0.2.1", "", 59.9)
    assert not misses.too_many("192.0.2.2", "", 59.9)
    assert not misses.too_many("192.0.2.1", "", 60.0)
    misses.add("192.0.2.1", "", 60.0)
    assert not misses.too_many("192.0.2.1", "", 61.0), "the next window begins empty"


def test_what_is_remembered_is_bounded() -> None:
    misses = Misses(most=1, window=60.0)
    for number in range(10_000):
        misses.add(f"address {number}", "", 0.0)

    assert not misses.too_many("address 0", "", 1.0), "the oldest is forgotten"
    assert misses.too_many("address 9999", "", 1.0)
    assert len(misses._counts) <= 4096


def test_who_has_an_ipv6_address_has_many() -> None:
    misses = Misses(most=2, window=60.0)
    misses.add("2001:db8:1:2::1", "", 0.0)
    misses.add("2001:db8:1:2:ffff::9%eth0", "", 0.0)

    assert misses.too_many("2001:db8:1:2:3:4:5:6", "", 1.0)
    assert not misses.too_many("2001:db8:1:3::1", "", 1.0)
    assert not misses.too_many("no:address", "", 1.0)


def test_a_page_of_the_providers_is_counted_apart() -> None:
    misses = Misses(most=1, window=60.0)
    misses.add("192.0.2.1", "", 0.0)

    assert misses.too_many("192.0.2.1", "", 1.0)
    assert not misses.too_many("192.0.2.1", "microsoft", 1.0)
