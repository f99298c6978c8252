"""Who may be at many addresses, and is one."""

from gateway.address import site_of


def test_an_ipv4_address_is_one_place() -> None:
    assert site_of("192.0.2.1") == "192.0.2.1" != site_of("192.0.2.2")


def test_all_of_a_64_is_one_place() -> None:
    place = site_of("2001:db8:1:2::1")
    assert place == site_of("2001:db8:1:2:ffff::9%eth0") == site_of("2001:db8:1:2:3:4:5:6")
    assert place != site_of("2001:db8:1:3::1")


def test_what_is_no_address_is_itself() -> None:
    assert site_of("no:address") == "no:address"
    assert site_of("") == ""
