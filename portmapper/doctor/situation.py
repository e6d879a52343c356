"""Situations in which no setting of the router helps: a container's network, DS-Lite, and IPv6 alone."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path

from portmapper.api.backend import Target
from portmapper.api.findings import Finding
from portmapper.api.model import IPAddress
from portmapper.network.host import Network

MARKS = (".dockerenv", "run/.containerenv")
"""Files that Docker and Podman create in every container."""

_DS_LITE = ipaddress.ip_network("192.0.0.0/29")
"""Addresses between a host or router and its translator: DS-Lite (RFC 6333) and 464XLAT (RFC 7335)."""


def in_container_network(network: Network, root: Path = Path("/")) -> bool:
    """Return whether this process runs in a container of Docker or Podman that has its own network.

    With `--network=host`, the default route has the host's own interface. In its own network, it has one
    end of a pair whose other end is outside (`iflink`). A namespace that someone made inside is neither.
    """
    if not any((root / mark).exists() for mark in MARKS) or not network.routes:
        return False
    folder = root / "sys/class/net" / network.routes[0].interface
    try:
        index, link = ((folder / name).read_text().strip() for name in ("ifindex", "iflink"))
    except OSError:
        return False
    return index != link and _namespace(root, "self") == _namespace(root, "1")


def _namespace(root: Path, process: str) -> str:
    try:
        return os.readlink(root / "proc" / process / "ns/net")
    except OSError:
        return ""


def container_finding() -> Finding:
    """Return the finding for a container that reaches no gateway."""
    return Finding.error(
        "container-network",
        "this container has its own network, and no gateway answers there",
        "start the container in the host's network: --network=host (in Compose: network_mode: host)",
    )


def is_ds_lite(address: IPAddress | None) -> bool:
    """Return whether an address shows that the line has no own IPv4 address."""
    return isinstance(address, ipaddress.IPv4Address) and address in _DS_LITE


def ds_lite_finding(address: IPAddress) -> Finding:
    """Return the finding for such a line."""
    return Finding.error(
        "ds-lite",
        f"this line has no own IPv4 address: {address} belongs to DS-Lite or 464XLAT",
        "ask the provider for an IPv4 address, or open the port over IPv6: --family ipv6",
    )


def line_finding(network: Network, chosen: Sequence[Target] | None) -> Finding | None:
    """Return the finding for a host whose own addresses show such a line; None if they do not."""
    if chosen:
        return None
    own = [address.ip for interface in network.interfaces for address in interface.addresses]
    translated = next((address for address in own if is_ds_lite(address)), None)
    if translated is not None:
        return ds_lite_finding(translated)
    versions = {route.gateway.version for route in network.routes}
    if versions == {6} and not any(address.version == 4 for address in own):
        return Finding.error(
            "ipv6-only",
            "this host has IPv6 alone, so it has no IPv4 ports",
            "open the port over IPv6: --family ipv6, or family = ipv6 in the list",
        )
    return None
