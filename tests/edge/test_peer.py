"""Whose word about the client counts."""

import ipaddress

import pytest

from gateway.edge.peer import Peer, client_address, peer_of, valid_host

TRUSTED = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8::/32"))


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        ("192.0.2.1", Peer("192.0.2.1", trusted=False)),
        ("10.1.2.3", Peer("10.1.2.3", trusted=True)),
        ("::ffff:10.1.2.3", Peer("10.1.2.3", trusted=True)),
        ("::ffff:192.0.2.1", Peer("192.0.2.1", trusted=False)),
        ("2001:db8::1", Peer("2001:db8::1", trusted=True)),
        ("2001:DB8:0::1", Peer("2001:db8::1", trusted=True)),
        ("fe80::1%eth0", Peer("fe80::1%eth0", trusted=False)),
        ("", Peer("", trusted=False)),
    ],
)
def test_peer(address: str, peer: Peer) -> None:
    assert peer_of(address, TRUSTED) == peer


def test_nobody_is_trusted_by_default() -> None:
    assert not peer_of("127.0.0.1", ()).trusted


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (None, "10.0.0.1"),
        (b"192.0.2.7", "192.0.2.7"),
        (b"192.0.2.7, 10.0.0.2", "192.0.2.7"),
        # what stands to the left of an untrusted address may be made up
        (b"127.0.0.1, 192.0.2.7", "192.0.2.7"),
        (b"10.9.9.9, 192.0.2.7, 10.0.0.2", "192.0.2.7"),
        (b" 192.0.2.7 ,\t10.0.0.2 ", "192.0.2.7"),
        (b"10.0.0.3, 10.0.0.2", "10.0.0.3"),
        (b"2001:db9::7", "2001:db9::7"),
        (b"::ffff:192.0.2.7", "192.0.2.7"),
        # unparsable means the peer's own address
        (b"", "10.0.0.1"),
        (b"unknown", "10.0.0.1"),
        (b"192.0.2.7:1234", "10.0.0.1"),
        (b"[2001:db9::7]", "10.0.0.1"),
        (b"192.0.2.7, , 10.0.0.2", "10.0.0.1"),
        (b"192.0.2.7;10.0.0.2", "10.0.0.1"),
        (b"192.0.2.007", "10.0.0.1"),
        (b"192.0.2.7\xff", "10.0.0.1"),
        (b"fe80::1%eth0", "10.0.0.1"),
        (b"_hidden, 10.0.0.2", "10.0.0.1"),
    ],
)
def test_client_behind_a_trusted_proxy(forwarded: bytes | None, client: str) -> None:
    """What cannot be read is not passed over: it is nobody's word (CVE-2024-47070)."""
    assert client_address(Peer("10.0.0.1", trusted=True), forwarded, TRUSTED) == client


def test_an_untrusted_peer_says_nothing() -> None:
    peer = Peer("192.0.2.1", trusted=False)
    assert client_address(peer, b"127.0.0.1", TRUSTED) == "192.0.2.1"


@pytest.mark.parametrize(
    "host",
    [b"a", b"sonar.example", b"sonar.example:8080", b"127.0.0.1:1", b"[::1]", b"[2001:db8::1]:443",
     b"SONAR.Example", b"a_b.example", b"sonar.example.", b"a:65535", b"a:"],
)  # fmt: skip
def test_hosts(host: bytes) -> None:
    assert valid_host(host)


@pytest.mark.parametrize(
    "host",
    [b"", b" ", b"a b", b"a@b", b"a/b", b"a\\b", b"a,b", b"a?b", b"a#b", b"a:b", b"a:123456",
     b"a:65536", b":80", b"[::1", b"::1", b"[a]b", b"a\x00", b"a%20b", b"-a", b".a", b"caf\xe9",
     b"a:80:80"],
)  # fmt: skip
def test_no_hosts(host: bytes) -> None:
    assert not valid_host(host)


def test_what_is_remembered_is_of_this_peer_and_these_networks() -> None:
    proxy, other = Peer("10.0.0.1", trusted=True), Peer("10.0.0.9", trusted=True)
    wide = (ipaddress.ip_network("192.0.2.0/24"), *TRUSTED)
    for _ in range(2):
        assert client_address(proxy, b"198.51.100.1, 192.0.2.7", TRUSTED) == "192.0.2.7"
        assert client_address(proxy, b"198.51.100.1, 192.0.2.7", wide) == "198.51.100.1"
        assert client_address(proxy, b"unknown", TRUSTED) == "10.0.0.1"
        assert client_address(other, b"unknown", TRUSTED) == "10.0.0.9"


def test_a_long_way_is_read_to_its_end() -> None:
    proxy = Peer("10.0.0.1", trusted=True)
    way = b", ".join([b"192.0.2.7", *(b"10.1.1.%d" % number for number in range(200))])
    assert client_address(proxy, way, TRUSTED) == "192.0.2.7"
