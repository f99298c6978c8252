"""How connections to Sonar and to the portal are made: TCP or a Unix socket, with TLS or without.

A name counts as one address: each new connection asks for it anew, and takes the first of what it
stands for that accepts. To have a choice between several, and each one's health, list them.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from gateway.config import Upstream
from gateway.edge.upstream_tls import to_upstream
from gateway.urls import UpstreamAddress, parse_origin

Protocols = Callable[[], asyncio.BaseProtocol]
Connect = Callable[[Protocols], Awaitable[tuple[asyncio.BaseTransport, asyncio.BaseProtocol]]]


class Way(NamedTuple):
    """`name`: the address, for log and metrics; `connect` opens a socket with a protocol."""

    name: str
    connect: Connect


def ways_to_sonar(upstream: Upstream, clock: Callable[[], float]) -> list[Way]:
    """One way for each of its addresses. Raises `CannotStart` for TLS files that cannot be used."""
    origin = parse_origin(upstream.url)
    addresses = upstream.addresses or (UpstreamAddress(origin.host, origin.port),)
    if origin.scheme == "http":
        return [Way(str(at), _plain(at)) for at in addresses]
    contexts = to_upstream(upstream.tls, clock)
    name = upstream.tls.server_name or origin.host
    return [Way(str(at), _secured(at, lambda: contexts.current, name)) for at in addresses]


def way_to_portal(path: str) -> Way:
    return Way("portal", _plain(UpstreamAddress("", 0, path)))


def _plain(at: UpstreamAddress) -> Connect:
    if at.path:
        return lambda protocol: asyncio.get_running_loop().create_unix_connection(protocol, at.path)
    return lambda protocol: asyncio.get_running_loop().create_connection(protocol, at.host, at.port)


def _secured(at: UpstreamAddress, context: Callable[[], ssl.SSLContext], name: str) -> Connect:
    if at.path:
        return lambda protocol: asyncio.get_running_loop().create_unix_connection(
            protocol, at.path, ssl=context(), server_hostname=name
        )
    return lambda protocol: asyncio.get_running_loop().create_connection(
        protocol, at.host, at.port, ssl=context(), server_hostname=name
    )
