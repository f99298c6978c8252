"""Headers of the PROXY protocol: what they say, and what is none."""

import ipaddress
import zlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.edge.proxy_protocol import (
    ITSELF,
    Proxied,
    belonging,
    complete,
    crc32c,
    read_proxy_header,
)

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V4 = bytes([192, 0, 2, 7, 10, 0, 0, 1]) + (56324).to_bytes(2, "big") + (443).to_bytes(2, "big")
V6 = (
    ipaddress.ip_address("2001:db8::7").packed
    + ipaddress.ip_address("2001:db8::1").packed
    + (56324).to_bytes(2, "big")
    + (443).to_bytes(2, "big")
)
PROXY, LOCAL = 0x21, 0x20
TCP4, UDP4, TCP6, UDP6, UNIX, UNSPECIFIED = 0x11, 0x12, 0x21, 0x22, 0x31, 0x00


def v2(
    family: int = TCP4, rest: bytes = V4, command: int = PROXY, length: int | None = None
) -> bytes:
    told = len(rest) if length is None else length
    return SIGNATURE + bytes([command, family]) + told.to_bytes(2, "big") + rest


def tlv(kind: int, value: bytes) -> bytes:
    return bytes([kind]) + len(value).to_bytes(2, "big") + value


def summed(rest: bytes = V4, before: bytes = b"", after: bytes = b"", spoil: int = 0) -> bytes:
    """A header with its checksum, which is that of the header with zeros in its place."""
    bare = v2(rest=rest + before + tlv(3, bytes(4)) + after)
    told = (crc32c(bare) ^ spoil).to_bytes(4, "big")
    return v2(rest=rest + before + tlv(3, told) + after)


def tls(flags: int, more: bytes = b"") -> bytes:
    return tlv(0x20, bytes([flags]) + bytes(4) + more)


CLIENT = Proxied("192.0.2.7", None)
GOOD: list[tuple[bytes, Proxied]] = [
    (b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\r\n", CLIENT),
    (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
     Proxied("255.255.255.255", None)),
    (b"PROXY TCP4 192.0.2.7 10.0.0.1 0 0\r\n", CLIENT),
    (b"PROXY TCP6 2001:db8::7 2001:db8::1 56324 443\r\n", Proxied("2001:db8::7", None)),
    (b"PROXY TCP6 2001:0db8:0:0:0:0:0:7 ::1 56324 443\r\n", Proxied("2001:db8::7", None)),
    (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 56324 443\r\n", CLIENT),
    (b"PROXY UNKNOWN\r\n", ITSELF),
    (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", ITSELF),
    (b"PROXY UNKNOWN anything 1 2 3\r\n", ITSELF),
    (v2(), CLIENT),
    (v2(TCP6, V6), Proxied("2001:db8::7", None)),
    # what the proxy does not know, or what is no address of the internet
    (v2(UNSPECIFIED, b""), ITSELF),
    (v2(UNIX, b"/run/x".ljust(108, b"\0") * 2), ITSELF),
    # a connection of the proxy itself; whatever else it says is skipped
    (v2(UNSPECIFIED, b"", LOCAL), ITSELF),
    (v2(TCP4, V4, LOCAL), ITSELF),
    (v2(0xFF, b"garbage", LOCAL), ITSELF),
    (v2(TCP4, b"short", LOCAL), ITSELF),
    # what follows the addresses
    (v2(rest=V4 + tlv(4, b"padding")), CLIENT),
    (v2(rest=V4 + tlv(4, b"")), CLIENT),
    (v2(rest=V4 + tlv(4, b"a") + tlv(4, b"b")), CLIENT),
    (v2(rest=V4 + tlv(1, b"http/1.1") + tlv(2, b"sonar.example") + tlv(0xEA, b"\x01vpce-1")),
     CLIENT),
    (v2(rest=V4 + tlv(4, b"x" * 4000)), CLIENT),
    (v2(rest=V4 + tls(1)), Proxied("192.0.2.7", True)),
    (v2(rest=V4 + tls(7, tlv(0x21, b"TLSv1.3"))), Proxied("192.0.2.7", True)),
    (v2(rest=V4 + tls(0)), Proxied("192.0.2.7", False)),
    (v2(rest=V4 + tls(2)), Proxied("192.0.2.7", False)),
    (v2(rest=V4 + tlv(0x20, b"\x01")), CLIENT),
    (v2(rest=V4 + tlv(0x20, b"")), CLIENT),
    (v2(UNSPECIFIED, tls(1)), Proxied(None, True)),
    (summed(), CLIENT),
    (summed(before=tlv(4, b"\x03\x00\x04abcd")), CLIENT),
    (summed(after=tls(1)), Proxied("192.0.2.7", True)),
]  # fmt: skip

BAD: list[bytes] = [
    b"",
    b"\r\n",
    b"PROXY",
    b"PROXY \r\n",
    b"PROXY TCP4\r\n",
    b"proxy TCP4 192.0.2.7 10.0.0.1 56324 443\r\n",
    b" PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\r\n",
    b"PROXY  TCP4 192.0.2.7 10.0.0.1 56324 443\r\n",
    b"PROXY TCP4 192.0.2.7  10.0.0.1 56324 443\r\n",
    b"PROXY\tTCP4\t192.0.2.7\t10.0.0.1\t56324\t443\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 443 \r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\r\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 56324\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 443 1\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 056324 443\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 65536 443\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 -1 443\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 +1 443\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 1 00\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 a 443\r\n",
    b"PROXY TCP4 192.0.2.007 10.0.0.1 56324 443\r\n",
    b"PROXY TCP4 192.0.2 10.0.0.1 56324 443\r\n",
    b"PROXY TCP4 192.0.2.256 10.0.0.1 56324 443\r\n",
    b"PROXY TCP4 0xC0.0.2.7 10.0.0.1 56324 443\r\n",
    b"PROXY TCP4 localhost 10.0.0.1 56324 443\r\n",
    b"PROXY TCP4 192.0.2.7 nobody 56324 443\r\n",
    b"PROXY TCP4 2001:db8::7 2001:db8::1 56324 443\r\n",
    b"PROXY TCP6 192.0.2.7 10.0.0.1 56324 443\r\n",
    b"PROXY TCP6 2001:db8::7 10.0.0.1 56324 443\r\n",
    b"PROXY TCP6 [2001:db8::7] ::1 56324 443\r\n",
    b"PROXY TCP6 2001:DB8::7 ::1 56324 443\r\n",
    b"PROXY TCP6 fe80::1%eth0 ::1 56324 443\r\n",
    b"PROXY UDP4 192.0.2.7 10.0.0.1 56324 443\r\n",
    b"PROXY UNKNOWNX\r\n",
    b"PROXY UNKNOWN\n",
    b"PROXY UNKNOWN \x00\r\n",
    b"PROXY UNKNOWN a\r\nb\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\r\nGET / HTTP/1.1\r\n",
    b"GET / HTTP/1.1\r\n",
    # version 2: the fixed part
    SIGNATURE,
    v2()[:15],
    v2()[:-1],
    v2() + b"x",
    v2(command=0x11),
    v2(command=0x31),
    v2(command=0x22),
    v2(command=0x2F),
    v2(command=0x01),
    SIGNATURE[:-1] + b"\r" + v2()[12:],
    # lengths that are not those of what is there
    v2(length=11),
    v2(length=13),
    v2(length=0),
    v2(length=65535),
    v2(rest=V4[:11]),
    v2(rest=b""),
    v2(TCP6, V6[:35]),
    v2(TCP6, V4),
    v2(UNIX, V6),
    v2(UNIX, bytes(215)),
    # families that are no connection, or none at all
    v2(UDP4),
    v2(UDP6, V6),
    v2(0x10),
    v2(0x01),
    v2(0x41),
    v2(0xFF),
    # garbage behind the addresses
    v2(rest=V4 + b"\x04"),
    v2(rest=V4 + b"\x04\x00"),
    v2(rest=V4 + b"\x04\x00\x01"),
    v2(rest=V4 + b"\x04\xff\xff" + b"x" * 10),
    v2(rest=V4 + tlv(4, b"a") + b"\x00"),
    v2(rest=V4 + b"\r\n"),
    v2(UNSPECIFIED, b"x"),
    # a checksum that is wrong, of an odd length, or there twice
    summed(spoil=1),
    summed()[:-1] + b"\x00",
    v2(rest=V4 + tlv(3, bytes(4))),
    v2(rest=V4 + tlv(3, b"")),
    v2(rest=V4 + tlv(3, bytes(8))),
    summed(after=tlv(3, bytes(4))),
    # two answers to one question
    v2(rest=V4 + tls(1) + tls(0)),
]


@pytest.mark.parametrize(("header", "said"), GOOD)
def test_what_a_header_says(header: bytes, said: Proxied) -> None:
    assert complete(header)
    assert read_proxy_header(header) == said


@pytest.mark.parametrize("header", BAD)
def test_what_is_none(header: bytes) -> None:
    assert read_proxy_header(header) is None


@pytest.mark.parametrize(
    ("data", "checksum"),
    [
        # RFC 3720 appendix B.4
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_checksums(data: bytes, checksum: int) -> None:
    assert crc32c(data) == checksum
    assert not data or crc32c(data) != zlib.crc32(data)


@given(data=st.binary(max_size=40), at=st.integers(0, 10**6), flip=st.integers(1, 255))
def test_a_checksum_notices_any_changed_byte(data: bytes, at: int, flip: int) -> None:
    header = bytearray(summed(before=tlv(4, data)))
    header[12 + at % (len(header) - 12)] ^= flip
    said = read_proxy_header(bytes(header))
    # Unless the change made it a header that asks for no checksum, or says nothing of addresses.
    assert said is None or said == ITSELF or header[13] != TCP4 or _has_no_checksum(bytes(header))


def _has_no_checksum(header: bytes) -> bool:
    rest, kinds = header[28:], []
    while len(rest) >= 3:
        kinds.append(rest[0])
        rest = rest[3 + int.from_bytes(rest[1:3], "big") :]
    return 3 not in kinds


# Taking a header off a stream: however it comes, and not a byte too many.


def taken(pieces: list[bytes]) -> tuple[bytes | None, bytes]:
    """The header that is taken off a stream that comes in pieces, and what stays in it."""
    seen, stream = b"", b""
    for piece in pieces:
        stream += piece
        size = belonging(seen, stream)
        if size is None:
            return None, stream
        seen, stream = seen + stream[:size], stream[size:]
        if complete(seen):
            return seen, stream
    return None, stream


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


FOLLOWS = [b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", SIGNATURE, b"PROXY UNKNOWN\r\n", b"\n"]


@pytest.mark.parametrize("header", [header for header, _ in GOOD])
@settings(deadline=None, max_examples=30)
@given(follows=st.sampled_from(FOLLOWS), cuts=st.lists(st.integers(0, 5000), max_size=6))
def test_not_a_byte_too_many_however_it_comes(
    header: bytes, follows: bytes, cuts: list[int]
) -> None:
    stream = header + follows
    for pieces in (split(stream, cuts), [stream[i : i + 1] for i in range(len(stream))]):
        found, left = taken(pieces)
        assert found == header
        assert stream[len(header) :].startswith(left)


@pytest.mark.parametrize("stream", [*BAD, b"x" * 200, b"PROXY " + b"x" * 200, v2(length=4097)])
@given(cuts=st.lists(st.integers(0, 5000), max_size=6))
def test_what_is_none_is_none_however_it_comes(stream: bytes, cuts: list[int]) -> None:
    if not stream:
        return
    header, _ = taken(split(stream, cuts))
    whole, _ = taken([stream])
    assert header == whole
    # Some are found out only when they are whole, some are a header with something behind.
    assert header is None or read_proxy_header(header) is None or len(header) < len(stream)


@pytest.mark.parametrize(
    "data",
    [b"G", b"PROXX", b"\r\n\r\n\x00\r\nQUIX", b"\x00", b"PROXY " + b"x" * 101, v2(length=4097),
     b"PROXY TCP4 1.1.1.1 1.1.1.1 1 " + b"1" * 78],
)  # fmt: skip
def test_refused_before_it_is_whole(data: bytes) -> None:
    assert belonging(b"", data) is None


@given(st.binary(max_size=300))
def test_any_bytes_give_an_answer(data: bytes) -> None:
    for candidate in (data, b"PROXY " + data, SIGNATURE + data, v2(rest=data), v2(rest=V4 + data)):
        size = belonging(b"", candidate)
        assert size is None or 0 <= size <= len(candidate)
        read_proxy_header(candidate)
