"""The header `Forwarded`: what is believed of it, and what is not read at all."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.forwarded import Origin, origin_told
from gateway.edge.peer import Peer

TRUSTED = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8::/32"))
PEER = Peer("10.0.0.1", trusted=True)
OWN = Origin("10.0.0.1", "http", "sonar.example")


def told(value: str | bytes) -> Origin:
    raw = value if isinstance(value, bytes) else value.encode("latin-1")
    return origin_told(raw, PEER, OWN, TRUSTED)


@pytest.mark.parametrize(
    ("value", "client"),
    [
        ("for=192.0.2.7", "192.0.2.7"),
        ("For=192.0.2.7", "192.0.2.7"),
        ('for="192.0.2.7"', "192.0.2.7"),
        ('for="192.0.2.7:8080"', "192.0.2.7"),
        ('for="192.0.2.7:_port.x"', "192.0.2.7"),
        ('for="[2001:db9::7]"', "2001:db9::7"),
        ('for="[2001:DB9::7]:443"', "2001:db9::7"),
        ('for="[2001:db9::7]:_x"', "2001:db9::7"),
        ('for="[::ffff:192.0.2.7]"', "192.0.2.7"),
        ("for=192.0.2.7;proto=https;by=203.0.113.43", "192.0.2.7"),
        ("proto=https;for=192.0.2.7", "192.0.2.7"),
        ("for=192.0.2.7; proto=https", "192.0.2.7"),
        (" for=192.0.2.7 ;\tproto=https ", "192.0.2.7"),
        ('for=192.0.2.7;secret="what; ever"', "10.0.0.1"),
        ("for=192.0.2.7;by=_hidden;extension=1", "192.0.2.7"),
        ('for=192.0.2.7;by="[2001:db8::1]:47011"', "192.0.2.7"),
        # proxies behind each other
        ("for=192.0.2.7, for=10.0.0.2", "192.0.2.7"),
        ("for=192.0.2.7,for=10.0.0.2", "192.0.2.7"),
        ("for=10.0.0.3, for=10.0.0.2", "10.0.0.3"),
        ('for=192.0.2.7, for="[2001:db8::5]:80"', "192.0.2.7"),
        # what stands to the left of an untrusted address may be made up
        ("for=127.0.0.1, for=192.0.2.7", "192.0.2.7"),
        ("for=10.9.9.9, for=192.0.2.7, for=10.0.0.2", "192.0.2.7"),
        ("garbage, for=192.0.2.7", "192.0.2.7"),
        ('for="1.2.3.4, for=192.0.2.7', "192.0.2.7"),
        ('for="_x, for=192.0.2.7', "192.0.2.7"),
        ("for=unknown, for=192.0.2.7", "192.0.2.7"),
        ('for="\\", for=192.0.2.7', "192.0.2.7"),
        (", for=192.0.2.7", "192.0.2.7"),
        # hidden, or not there: the peer's own address
        ("for=unknown", "10.0.0.1"),
        ("for=Unknown", "10.0.0.1"),
        ('for="unknown:80"', "10.0.0.1"),
        ("for=_hidden", "10.0.0.1"),
        ('for="_SEVKISEK:80"', "10.0.0.1"),
        ("proto=https", "10.0.0.1"),
        ("by=192.0.2.7", "10.0.0.1"),
        ("for=192.0.2.7, proto=https", "10.0.0.1"),
        ("for=192.0.2.7, for=unknown, for=10.0.0.2", "10.0.0.1"),
        # what cannot be read: the same
        ("", "10.0.0.1"),
        (",", "10.0.0.1"),
        (";", "10.0.0.1"),
        ("for=192.0.2.7,", "10.0.0.1"),
        ("for=192.0.2.7;", "10.0.0.1"),
        ("192.0.2.7", "10.0.0.1"),
        ("for", "10.0.0.1"),
        ("for=", "10.0.0.1"),
        ('for=""', "10.0.0.1"),
        ("for =192.0.2.7", "10.0.0.1"),
        ("for= 192.0.2.7", "10.0.0.1"),
        ("for=192.0.2.7 x", "10.0.0.1"),
        ("for=192.0.2.7:80", "10.0.0.1"),
        ("for=[2001:db9::7]", "10.0.0.1"),
        ('for="2001:db9::7"', "10.0.0.1"),
        ('for="[192.0.2.7]"', "10.0.0.1"),
        ('for="[2001:db9::7"', "10.0.0.1"),
        ('for="[fe80::1%25eth0]"', "10.0.0.1"),
        ('for="192.0.2.7:"', "10.0.0.1"),
        ('for="192.0.2.7:123456"', "10.0.0.1"),
        ('for="192.0.2.7:_"', "10.0.0.1"),
        ("for=192.0.2.007", "10.0.0.1"),
        ("for=192.0.2", "10.0.0.1"),
        ("for=3221225991", "10.0.0.1"),
        ("for='192.0.2.7'", "10.0.0.1"),
        ('for="192.0.2.7', "10.0.0.1"),
        ('for=192.0.2.7"', "10.0.0.1"),
        ('for="192.0.2\\.7"', "10.0.0.1"),
        ("for=192.0.2.7;for=192.0.2.8", "10.0.0.1"),
        ("for=192.0.2.7;FOR=192.0.2.7", "10.0.0.1"),
        ("for=192.0.2.7;;proto=https", "10.0.0.1"),
        ("for=192.0.2.7;proto", "10.0.0.1"),
        ("for=192.0.2.7;proto=gopher", "10.0.0.1"),
        ("for=192.0.2.7;host=a/b", "10.0.0.1"),
        (b"for=192.0.2.7\xff", "10.0.0.1"),
        (b"for=192.0.2.7\x00", "10.0.0.1"),
        (b"for=192.0.2.7\x0b", "10.0.0.1"),
        (b"for=\xb2", "10.0.0.1"),
    ],
)
def test_the_client(value: str | bytes, client: str) -> None:
    assert told(value).client == client


@pytest.mark.parametrize(
    ("value", "proto", "host"),
    [
        ("for=192.0.2.7", "http", "sonar.example"),
        ("for=192.0.2.7;proto=https", "https", "sonar.example"),
        ("for=192.0.2.7;proto=HTTPS", "https", "sonar.example"),
        ('for=192.0.2.7;host="portal.example:444"', "http", "portal.example:444"),
        ("for=192.0.2.7;host=portal.example", "http", "portal.example"),
        # told together with the client, by the proxy that saw it
        ("for=192.0.2.7;proto=https;host=a.example, for=10.0.0.2;proto=http;host=b.example",
         "https", "a.example"),
        ("for=192.0.2.7, for=10.0.0.2;proto=https;host=b.example", "http", "sonar.example"),
        # made up by the client
        ("for=1.2.3.4;proto=https;host=evil.example, for=192.0.2.7", "http", "sonar.example"),
        # not read at all
        ("for=unknown;proto=https;host=a.example", "http", "sonar.example"),
        ("proto=https;host=a.example", "http", "sonar.example"),
        ("for=192.0.2.7;proto=https;host=a@b", "http", "sonar.example"),
        ("for=192.0.2.7;proto=wss;host=a.example", "http", "sonar.example"),
    ],
)  # fmt: skip
def test_scheme_and_host(value: str, proto: str, host: str) -> None:
    assert told(value)[1:] == (proto, host)


@given(st.text(alphabet='for=1.,;"\\[]: _unkowptsh', max_size=60))
def test_nothing_a_client_writes_reaches_past_the_proxys_own_words(left: str) -> None:
    """The proxy adds its element behind whatever its client sent, on the same line or another."""
    added = "for=192.0.2.7;proto=https"
    assert told(f"{left}, {added}") == told(f"{left},{added}") == told(added)


@given(st.binary(max_size=80))
def test_any_bytes_give_an_answer(value: bytes) -> None:
    origin = told(value)
    ipaddress.ip_address(origin.client)
    assert origin.proto in {"http", "https"}
