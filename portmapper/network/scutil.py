"""The router of the primary network service on macOS, from the dynamic store that `scutil` reads."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
RouteFacts = tuple[str, IPAddress, int]
"""The fields of a `DefaultRoute`: the interface, the gateway and the metric."""

COMMAND = ("scutil",)
QUESTION = "show State:/Network/Global/IPv4\nshow State:/Network/Global/IPv6\nquit\n"

_ENTRY = re.compile(r"\s*(PrimaryInterface|Router)\s*:\s*(\S+)\s*\Z")


def parse_primary_routes(output: str) -> Iterator[RouteFacts]:
    """Yield a route for each dictionary with an interface and a router; there is one for each IP version."""
    for metric, dictionary in enumerate(output.split("<dictionary>")[1:]):
        matches = (match for line in dictionary.splitlines() if (match := _ENTRY.match(line)))
        entries = {match[1]: match[2] for match in matches}
        interface, router = entries.get("PrimaryInterface", ""), entries.get("Router", "")
        try:
            address = ipaddress.ip_address(router)
        except ValueError:
            continue
        if interface and not address.is_unspecified and not address.is_loopback:
            yield interface, address, metric
