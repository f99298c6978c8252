"""The header of the PROXY protocol: who is at the other end of a proxy that passes bytes on. Pure.

Version 1 is a line of text, version 2 is binary; one of them is the first thing on a connection
(https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt; sections in brackets below). Only a
peer that is trusted gets its header read at all, and from such a one nothing but a header will do:
reading what is not quite one would let whoever reaches the proxy's port choose an address.
"""

import ipaddress
import re
from typing import NamedTuple

from gateway.edge.peer import plain_address

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_LINE = b"PROXY "
# [2.1] The longest line of version 1, two IPv6 addresses in it.
_LONGEST_LINE = 107
# [2.2] Signature, version and command, family and protocol, length.
_FIXED = 16
# What is behind may be 64 KiB; a certificate of a client and what a cloud adds is less than this.
_LONGEST = _FIXED + 4096

# Exactly one space, and no other spelling of a number or an address: what is lenient here can be
# played against what is lenient in the proxy.
_TEXT = re.compile(rb"PROXY (TCP4|TCP6) ([0-9a-f.:]+) ([0-9a-f.:]+) ([0-9]{1,5}) ([0-9]{1,5})\r\n")
_UNKNOWN = re.compile(rb"PROXY UNKNOWN(?: [ -~]*)?\r\n")

_VERSIONS = {0x20: False, 0x21: True}
"""[2.2] Version 2, and whether it is PROXY; LOCAL is a connection of the proxy itself."""
_TCP4, _TCP6, _UNIX, _UNSPECIFIED = 0x11, 0x21, 0x31, 0x00
_ADDRESSES = {_UNSPECIFIED: 0, _TCP4: 12, _TCP6: 36, _UNIX: 216}
"""Bytes of addresses by family and protocol. What comes over UDP is no connection."""

# [2.2] Types of what follows the addresses.
_CHECKSUM, _TLS = 0x03, 0x20
_CLIENT_SPOKE_TLS = 0x01


class Proxied(NamedTuple):
    """What a header says. `address`: the client's, `None` when the proxy speaks for itself or does
    not know; `secure`: whether the client came by TLS, `None` when it does not say."""

    address: str | None
    secure: bool | None


ITSELF = Proxied(None, None)


def belonging(seen: bytes, ahead: bytes) -> int | None:
    """How many bytes of `ahead` belong to the header that begins with `seen`; `None`: it is none.
    Never one too many: what follows is for somebody else, TLS or HTTP."""
    data = seen + ahead
    length = _length(data)
    if length is None:
        return None
    return max(0, min(len(data), length) - len(seen))


def complete(seen: bytes) -> bool:
    """Whether this is a whole header, by its length."""
    return _length(seen) == len(seen)


def _length(data: bytes) -> int | None:
    """How long the header that `data` begins with is; more than there is while that is not known,
    `None` when it is none."""
    if data.startswith(_LINE[: len(data)]):
        end = data.find(b"\n", 0, _LONGEST_LINE)
        if end >= 0:
            return end + 1
        return None if len(data) >= _LONGEST_LINE else _LONGEST_LINE
    if not data.startswith(_SIGNATURE[: len(data)]):
        return None
    if len(data) < _FIXED:
        return _FIXED + 1
    length = _FIXED + int.from_bytes(data[14:16], "big")
    return None if length > _LONGEST else length


def read_proxy_header(header: bytes) -> Proxied | None:
    """What a whole header says, or `None` when it is none, however nearly."""
    if header.startswith(_SIGNATURE):
        return _binary(header)
    if _UNKNOWN.fullmatch(header):
        return ITSELF
    found = _TEXT.fullmatch(header)
    if found is None or len(header) > _LONGEST_LINE:
        return None
    version = 4 if found[1] == b"TCP4" else 6
    source, target = _address(found[2], version), _address(found[3], version)
    if source is None or target is None or not (_is_port(found[4]) and _is_port(found[5])):
        return None
    return Proxied(source, None)


def _address(text: bytes, version: int) -> str | None:
    try:
        address = ipaddress.ip_address(text.decode("ascii"))
    except ValueError:
        return None
    return plain_address(str(address)) if address.version == version else None


def _is_port(text: bytes) -> bool:
    return str(int(text)).encode() == text and int(text) <= 65535


def _binary(header: bytes) -> Proxied | None:
    """[2.2]"""
    if not complete(header) or header[12] not in _VERSIONS:
        return None
    family, rest = header[13], header[_FIXED:]
    if not _VERSIONS[header[12]]:
        # LOCAL: whatever else it says is to be skipped, whole as it is.
        return ITSELF
    length = _ADDRESSES.get(family)
    if length is None or len(rest) < length:
        return None
    extras = _extras(rest[length:])
    if extras is None or not _sums_up(header, extras.get(_CHECKSUM)):
        return None
    address = None
    if family in {_TCP4, _TCP6}:
        address = plain_address(str(ipaddress.ip_address(rest[: 4 if family == _TCP4 else 16])))
    return Proxied(address, _secure(extras.get(_TLS)))


def _extras(data: bytes) -> dict[int, bytes] | None:
    """[2.2.1] Type, length, value, again and again, to the last byte; the types that mean something
    here at most once each."""
    found: dict[int, bytes] = {}
    while data:
        if len(data) < 3:
            return None
        kind, end = data[0], 3 + int.from_bytes(data[1:3], "big")
        if end > len(data) or (kind in found and kind in {_CHECKSUM, _TLS}):
            return None
        found[kind] = data[3:end]
        data = data[end:]
    return found


def _secure(tls: bytes | None) -> bool | None:
    """[2.2.6] One byte of flags, four of what became of the client's certificate."""
    return bool(tls[0] & _CLIENT_SPOKE_TLS) if tls is not None and len(tls) >= 5 else None


def _sums_up(header: bytes, told: bytes | None) -> bool:
    """[2.2.3] Whether the checksum is right, if there is one: that of the header with zeros in its
    place."""
    if told is None:
        return True
    if len(told) != 4:
        return False
    # Where it stands: behind the addresses, as the only thing of its type.
    start = _FIXED + _ADDRESSES[header[13]]
    while header[start] != _CHECKSUM:
        start += 3 + int.from_bytes(header[start + 1 : start + 3], "big")
    bare = header[: start + 3] + bytes(4) + header[start + 7 :]
    return crc32c(bare) == int.from_bytes(told, "big")


def _table() -> tuple[int, ...]:
    made = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
        made.append(number)
    return tuple(made)


_CRC32C = _table()


def crc32c(data: bytes) -> int:
    """The checksum of RFC 3720 appendix B.4; not that of zlib, whose polynomial is another."""
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ _CRC32C[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF
