"""Who may come in: counted exactly, whatever the order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.admission import Admission
from gateway.edge.peer import Peer
from gateway.reasons import Reason


def peer(address: str, *, trusted: bool = False) -> Peer:
    return Peer(address, trusted)


def test_a_full_house_takes_nobody() -> None:
    admission = Admission(2, 10)
    assert admission.enter(peer("192.0.2.1")) is None
    assert admission.enter(peer("192.0.2.2")) is None
    assert admission.enter(peer("192.0.2.3")) is Reason.CONNECTIONS_FULL
    assert admission.enter(peer("10.0.0.1", trusted=True)) is Reason.CONNECTIONS_FULL
    admission.leave(peer("192.0.2.1"))
    assert admission.enter(peer("192.0.2.3")) is None


def test_one_address_has_its_share() -> None:
    admission = Admission(100, 2)
    for _ in range(2):
        assert admission.enter(peer("192.0.2.1")) is None
    assert admission.enter(peer("192.0.2.1")) is Reason.CONNECTIONS_OF_ADDRESS
    assert admission.enter(peer("192.0.2.2")) is None
    assert admission.inside == 3
    admission.leave(peer("192.0.2.1"))
    assert admission.enter(peer("192.0.2.1")) is None


def test_a_trusted_proxy_is_everybody() -> None:
    admission = Admission(100, 1)
    for _ in range(50):
        assert admission.enter(peer("10.0.0.1", trusted=True)) is None
    assert admission.inside == 50


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1"])
def test_this_machine_has_a_share_only_when_one_was_set(address: str) -> None:
    open_house, counted = Admission(100, 1, loopback=False), Admission(100, 1)
    for _ in range(50):
        assert open_house.enter(peer(address)) is None
    assert open_house.enter(peer("192.0.2.1")) is None
    assert open_house.enter(peer("192.0.2.1")) is Reason.CONNECTIONS_OF_ADDRESS
    for _ in range(50):
        open_house.leave(peer(address))
    assert open_house.inside == 1
    assert counted.enter(peer(address)) is None
    assert counted.enter(peer(address)) is Reason.CONNECTIONS_OF_ADDRESS


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:0:ffff::1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("", "", True),
    ],
)
def test_an_ipv6_network_is_one_customer(one: str, other: str, same: bool) -> None:
    admission = Admission(100, 1)
    assert admission.enter(peer(one)) is None
    assert (admission.enter(peer(other)) is not None) is same


PEERS = [peer("192.0.2.1"), peer("192.0.2.2"), peer("2001:db8::1"), peer("10.0.0.1", trusted=True)]


@given(st.lists(st.tuples(st.sampled_from(PEERS), st.booleans()), max_size=60))
def test_counts_never_drift(steps: list[tuple[Peer, bool]]) -> None:
    """Whatever comes and goes: nothing is left of who has gone, and no limit is passed."""
    admission = Admission(5, 2)
    inside: list[Peer] = []
    for who, coming in steps:
        if coming:
            refused = admission.enter(who)
            full = len(inside) >= 5
            share = not who.trusted and inside.count(who) >= 2
            assert (refused is not None) is (full or share)
            if refused is None:
                inside.append(who)
        elif who in inside:
            inside.remove(who)
            admission.leave(who)
        assert admission.inside == len(inside)
    for who in inside:
        admission.leave(who)
    assert admission.inside == 0
    assert admission._by_address == {}
