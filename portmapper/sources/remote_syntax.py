"""Parses the remote hosts that may connect to a port: one address, or a network."""

from __future__ import annotations

import ipaddress

from portmapper.api.errors import quoted
from portmapper.api.model import IPNetwork

EXAMPLES = "write an address such as 198.51.100.7, or a network such as 198.51.100.0/24"


def parse_remote(text: str) -> IPNetwork:
    """Parse the remote hosts. An IPv4-mapped IPv6 address is its IPv4 address, so that all forms are one.

    Raises:
        ValueError: the text names no hosts that could connect; the message says what to write.
    """
    address, slash, length = text.strip().partition("/")
    try:
        host = ipaddress.ip_address(address)
        mapped = getattr(host, "ipv4_mapped", None)
        bits = _prefix(length, host.max_prefixlen) if slash else host.max_prefixlen
        network = ipaddress.ip_network((mapped or host, bits - 96 if mapped else bits), strict=False)
    except ValueError:
        raise ValueError(f"{quoted(text)} names no remote hosts: {EXAMPLES}") from None
    if network.network_address != (mapped or host):
        raise ValueError(f"{quoted(text)} has bits after the prefix: write {network}, or {host} for one host")
    if network.prefixlen == 0 or network.network_address.is_unspecified:
        raise ValueError(f"{quoted(text)} is every host: omit it to let every host connect")
    if network.is_multicast or network.is_loopback or getattr(host, "scope_id", None):
        raise ValueError(f"{quoted(text)} cannot connect over the internet: {EXAMPLES}")
    return network


def _prefix(text: str, longest: int) -> int:
    if not (text.isascii() and text.isdigit()) or (len(text) > 1 and text[0] == "0") or int(text) > longest:
        raise ValueError(text)
    return int(text)
