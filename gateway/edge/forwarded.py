"""The header `Forwarded` (RFC 7239): where a request came from, as proxies tell it. Pure.

Read from the right: each proxy adds an element at the end, and only what stands to the left of an
untrusted address could have been made up. So an element is looked at by itself, and what a client
wrote before it, an open quote for instance, cannot reach into it: a comma ends an element also
within quotes, which costs nothing, as no address, host or scheme has one.
"""

import re
from typing import NamedTuple

from gateway.edge.peer import Network, Peer, plain_address, valid_host, within

# Section 4: token "=" (token / quoted-string). Within quotes nothing that needs an escape: what an
# escape stands for is read in two ways too easily.
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - of a grammar
_PAIR = re.compile(rf'[ \t]*({_TOKEN})=(?:({_TOKEN})|"([ !#-\[\]-~]*)")[ \t]*')
# Section 6: an address, IPv6 in brackets, and a port, which may be hidden.
_NODE = re.compile(r"(?:([0-9.]+)|\[([0-9A-Fa-f:.]+)\])(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?")
_SCHEMES = frozenset(("http", "https"))


class Origin(NamedTuple):
    """Where a request came from: the client's address; scheme and host it asked for."""

    client: str
    proto: str
    host: str


def origin_told(forwarded: bytes, peer: Peer, own: Origin, trusted: tuple[Network, ...]) -> Origin:
    """What `forwarded`, from a trusted `peer`, says; `own`, which is what we see ourselves, when it
    cannot be read or hides the client. Scheme and host are those told together with the client."""
    client, said = peer.address, None
    for element in reversed(forwarded.decode("latin-1").split(",")):
        said = _element(element)
        address = None if said is None else _address(said.get("for", ""))
        if said is None or address is None:
            return own
        client = address
        if not within(address, trusted):
            break
    return (
        own
        if said is None
        else Origin(
            client,
            said.get("proto", own.proto).lower(),
            said.get("host", own.host),
        )
    )


def _element(text: str) -> dict[str, str] | None:
    """The pairs of one element; `None` when they cannot be read, or say something twice, or name
    no scheme or host."""
    pairs: dict[str, str] = {}
    for piece in text.split(";"):
        found = _PAIR.fullmatch(piece)
        if found is None or found[1].lower() in pairs:
            return None
        pairs[found[1].lower()] = found[2] or found[3] or ""
    if "proto" in pairs and pairs["proto"].lower() not in _SCHEMES:
        return None
    if "host" in pairs and not valid_host(pairs["host"].encode("ascii")):
        return None
    return pairs


def _address(node: str) -> str | None:
    """The address of a node; `None` for `unknown`, a hidden one, or none."""
    found = _NODE.fullmatch(node)
    if found is None:
        return None
    address = plain_address(found[1] or found[2])
    # `[192.0.2.1]` is no spelling of anything.
    if address is None or (found[2] is not None and ":" not in found[2]):
        return None
    return address
