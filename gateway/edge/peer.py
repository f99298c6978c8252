"""Who the client is: the connection's other end, or what a trusted proxy says. Pure.

Nobody is trusted by default. A trusted proxy's word is taken only where it is plain; whatever
cannot be read means the peer's own address, never "unknown" and never a skipped check
(CVE-2024-47070, CVE-2026-40575).
"""

import ipaddress
import re
from functools import lru_cache
from typing import NamedTuple

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# RFC 3986 sections 3.2.2 and 3.2.3, without user name and without escapes; the port may be empty.
_PORT = rb"(?:6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[0-9]{0,4})"
_HOST = re.compile(
    rb"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9.])?|\[[0-9A-Fa-f:.]{2,45}\])(?::%b)?"
    % _PORT
)

# A few addresses. What is longer is read each time, so that no client fills our memory with it.
_LONGEST_REMEMBERED = 128


class Peer(NamedTuple):
    """The other end of a connection: its address, and whether what it says of clients counts."""

    address: str
    trusted: bool


def peer_of(address: str, trusted: tuple[Network, ...]) -> Peer:
    """`address` as the socket gives it; an IPv4 client of an IPv6 listener is an IPv4 client."""
    text = plain_address(address)
    if text is None:
        return Peer(address, trusted=False)
    return Peer(text, within(text, trusted))


def client_address(peer: Peer, forwarded_for: bytes | None, trusted: tuple[Network, ...]) -> str:
    """The client's address: behind trusted proxies the nearest one that is not one of them.

    Read from the right: each proxy adds the address it saw, so only what stands to the left of an
    untrusted address could have been made up.
    """
    if not peer.trusted or forwarded_for is None:
        return peer.address
    if len(forwarded_for) <= _LONGEST_REMEMBERED:
        return _known_client(peer, forwarded_for, trusted)
    return _client(peer, forwarded_for, trusted)


def _client(peer: Peer, forwarded_for: bytes, trusted: tuple[Network, ...]) -> str:
    client = peer.address
    for entry in reversed(forwarded_for.decode("latin-1").split(",")):
        address = plain_address(entry.strip(" \t"))
        if address is None:
            return peer.address
        client = address
        if not within(address, trusted):
            break
    return client


# The same people come again and again, and reading an address costs as much as half of the rest of
# a head.
_known_client = lru_cache(maxsize=1024)(_client)


def valid_host(host: bytes) -> bool:
    """Whether a Host value is a name or address with at most a port, read by all the same way."""
    return _HOST.fullmatch(host) is not None


def plain_address(text: str) -> str | None:
    """One spelling of an address; `None` when it is none, or of one link only."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return None
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
    return str(address)


def within(address: str, networks: tuple[Network, ...]) -> bool:
    """Whether an address is in one of the networks."""
    return any(ipaddress.ip_address(address) in network for network in networks)
