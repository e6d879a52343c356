"""Finds addresses that cannot be an internal host on any network."""

from __future__ import annotations

import ipaddress

from portmapper.api.model import IPAddress, IPNetwork

_UNUSABLE = {
    "127.0.0.0/8": "is a loopback address: omit the address to map to this host",
    "::1/128": "is a loopback address: omit the address to map to this host",
    "224.0.0.0/4": "is a multicast address, not a host",
    "ff00::/8": "is a multicast address, not a host",
    "255.255.255.255/32": "is the broadcast address, not a host",
    "240.0.0.0/4": "is a reserved address, not a host",
    "fe80::/10": "is a link-local address, which cannot be reached from outside",
    "169.254.0.0/16": "is a link-local address: no DHCP server gave this host an address",
    "0.0.0.0/8": "is not the address of a host: omit the address to map to this host",
}
_NOWHERE = ipaddress.ip_network("0.0.0.0/8")
_RANGES = {ipaddress.ip_network(text): reason for text, reason in _UNUSABLE.items()}


def unusable(address: IPAddress | IPNetwork | None) -> str:
    """Return why an address can be no internal host on any network; empty if it can.

    A network means an address of this host in it, so it is usable, unless no host can have such an address.
    """
    if not isinstance(address, IPAddress):
        is_nowhere = address is not None and address.prefixlen >= 8 and address.network_address in _NOWHERE
        return _RANGES[_NOWHERE] if is_nowhere else ""
    for network, reason in _RANGES.items():
        if address in network:
            return reason
    return ""
