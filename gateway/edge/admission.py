"""Who may connect: how many connections are open, in all and from one address. Pure.

A full house refuses newcomers and serves who is inside: it is those that were let in whose requests
must not fail. One address may take its share and no more, so that one machine cannot fill the
house. An office behind one address is many people, so the share is large. A trusted proxy is
everybody, so it has no share of its own; nor has, unless somebody set one, this very machine, where
a proxy or a tunnel that nobody listed as trusted is everybody as well.
"""

import ipaddress

from gateway.edge.peer import Peer
from gateway.reasons import Reason

# Whoever has one IPv6 address has all of its /64 (RFC 6177: no site gets less).
_IPV6_PREFIX = 64


class Admission:
    """`most` connections at once, `most_of_one` of them from one address. `loopback`: also from
    one of this machine itself."""

    __slots__ = ("_by_address", "_loopback", "_most", "_most_of_one", "inside")

    def __init__(self, most: int, most_of_one: int, *, loopback: bool = True) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._loopback = loopback
        self._by_address: dict[str, int] = {}
        self.inside = 0

    def enter(self, peer: Peer) -> Reason | None:
        """Count a connection in; or why it may not come in, and nothing is counted."""
        if self.inside >= self._most:
            return Reason.CONNECTIONS_FULL
        if self._has_share(peer):
            address = _who(peer.address)
            count = self._by_address.get(address, 0)
            if count >= self._most_of_one:
                return Reason.CONNECTIONS_OF_ADDRESS
            self._by_address[address] = count + 1
        self.inside += 1
        return None

    def leave(self, peer: Peer) -> None:
        """Count out a connection that came in."""
        self.inside -= 1
        if not self._has_share(peer):
            return
        address = _who(peer.address)
        count = self._by_address[address] - 1
        if count:
            self._by_address[address] = count
        else:
            del self._by_address[address]

    def _has_share(self, peer: Peer) -> bool:
        return not peer.trusted and (self._loopback or not _is_loopback(peer.address))


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"


def _who(address: str) -> str:
    """The same for all the addresses that one customer of a network has."""
    if ":" not in address:
        return address
    network = ipaddress.ip_network((address.partition("%")[0], _IPV6_PREFIX), strict=False)
    return str(network.network_address)
