"""Default routes on macOS and the BSDs, from `netstat -rn`.

Each system has other columns. Their titles show which of them contains the interface. A link-local gateway
keeps its zone, as in `fe80::1%en0`.
"""

from __future__ import annotations

import ipaddress
import subprocess
from collections.abc import Iterator

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
RouteFacts = tuple[str, IPAddress, int]
"""The fields of a `DefaultRoute`: the interface, the gateway and the metric."""

COMMAND = ("netstat", "-rn")
TIMEOUT = 5.0

_INTERFACE_TITLES = ("Netif", "Iface", "Interface")
_DEFAULTS = ("default", "0.0.0.0/0", "::/0")

_SCOPED_METRIC = 1000
"""Metric of the first route for sockets that are bound to its interface only (macOS: flag `I`)."""


def default_routes() -> Iterator[RouteFacts]:
    """Yield the default routes with a gateway; without the program there are none."""
    try:
        done = subprocess.run(COMMAND, capture_output=True, timeout=TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return
    yield from parse_routes(done.stdout.decode("utf-8", "replace"))


def parse_routes(output: str) -> Iterator[RouteFacts]:
    """Yield the default routes of a routing table; the order in the table is their metric."""
    column = None
    for number, line in enumerate(output.splitlines()):
        words = line.split()
        if words[:2] == ["Destination", "Gateway"]:
            column = next((words.index(title) for title in _INTERFACE_TITLES if title in words), None)
        elif words and words[0] in _DEFAULTS and column is not None and len(words) > column:
            yield from _route(words[1], words[2], words[column], number)


def _route(gateway: str, flags: str, interface: str, number: int) -> Iterator[RouteFacts]:
    """Yield the route, unless its gateway is an interface or, as for tunnels of macOS, an empty prefix."""
    try:
        address = ipaddress.ip_address(gateway)
    except ValueError:
        return
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id:
        is_usable = int(address) != int(ipaddress.ip_address("fe80::"))
    else:
        is_usable = not address.is_unspecified
    if is_usable and not address.is_loopback:
        yield interface, address, number + ("I" in flags) * _SCOPED_METRIC
