"""Default routes on macOS and the BSDs, from `netstat -rn`, and transient addresses, from `ifconfig`.

Each system has other columns in its routing table. Their titles show which of them contains the interface. A
link-local gateway keeps its zone, as in `fe80::1%en0`.
"""

from __future__ import annotations

import ipaddress
import subprocess
from collections.abc import Iterator

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
RouteFacts = tuple[str, IPAddress, int]
"""The fields of a `DefaultRoute`: the interface, the gateway and the metric."""

ROUTES_COMMAND = ("netstat", "-rn")
ADDRESSES_COMMAND = ("ifconfig", "-a")
TIMEOUT = 5.0

_TRANSIENT_FLAGS = frozenset(
    {"temporary", "autoconfprivacy", "deprecated", "tentative", "duplicated", "detached"}
)
"""How `ifconfig` marks addresses that will disappear soon or are unusable; OpenBSD has its own name."""

_INTERFACE_TITLES = ("Netif", "Iface", "Interface")
_DEFAULTS = ("default", "0.0.0.0/0", "::/0")

_SCOPED_METRIC = 1000
"""Metric of the first route for sockets that are bound to its interface only (macOS: flag `I`)."""


def default_routes() -> Iterator[RouteFacts]:
    """Yield the default routes with a gateway; without the program there are none."""
    yield from parse_routes(output_of(ROUTES_COMMAND))


def transient_addresses() -> frozenset[IPAddress]:
    """Return the IPv6 addresses that will disappear soon or are unusable."""
    return frozenset(parse_transient_addresses(output_of(ADDRESSES_COMMAND)))


def output_of(command: tuple[str, ...], question: str = "") -> str:
    """Return what a program prints for a question; nothing if it is missing or hangs."""
    try:
        done = subprocess.run(
            command, input=question.encode(), capture_output=True, timeout=TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace")


def parse_transient_addresses(output: str) -> Iterator[IPAddress]:
    """Yield the addresses with a flag of transient ones, without their zones."""
    for line in output.splitlines():
        words = line.split()
        if words[:1] == ["inet6"] and _TRANSIENT_FLAGS.intersection(words[2:]):
            try:
                yield ipaddress.ip_address(words[1].partition("%")[0].partition("/")[0])
            except ValueError:
                continue


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
