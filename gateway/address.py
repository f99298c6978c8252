"""Whose an address is, where attempts are counted by address. Pure."""

import ipaddress


def site_of(address: str) -> str:
    """What stands for everybody at the same place: an IPv4 address, or the /64 of an IPv6 address,
    all of which belongs to whoever has one of it (RFC 6177: no site gets less). Who counts by the
    address alone gives a new count to each of 2^64."""
    if ":" not in address:
        return address
    try:
        network = ipaddress.ip_network((address.partition("%")[0], 64), strict=False)
    except ValueError:
        return address
    return str(network.network_address)
