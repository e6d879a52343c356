"""Containers with their own address in the LAN, which networks of macvlan and ipvlan give them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any, Self

import aiodocker

_DRIVERS = ("macvlan", "ipvlan")
_OTHER_NETWORKS = frozenset({"bridge", "host", "none", "podman"})


class OwnAddresses:
    """Knows which networks of an engine are networks of the LAN."""

    def __init__(self, networks: frozenset[str]) -> None:
        self._networks = networks

    @classmethod
    async def read(cls, docker: aiodocker.Docker, containers: Iterable[Any]) -> Self:
        """Ask the engine for its networks, if a container has one that may be such a network."""
        if all(_networks(container).keys() <= _OTHER_NETWORKS for container in containers):
            return cls(frozenset())
        listed = await docker.networks.list()
        return cls(frozenset(network["Name"] for network in listed if network["Driver"] in _DRIVERS))

    def of(self, container: Any) -> str:
        """Return the container's own IPv4 address in the LAN; empty if it has none."""
        for name, network in sorted(_networks(container).items()):
            if name in self._networks and network.get("IPAddress"):
                return str(ipaddress.IPv4Address(network["IPAddress"]))
        return ""


def _networks(container: Any) -> dict[str, Any]:
    """Return the networks of one element of the engine's list, by name."""
    try:
        networks = container["NetworkSettings"]["Networks"] or {}
    except KeyError:
        return {}  # a container with the network of another one
    return {str(name): network for name, network in networks.items() if isinstance(network, dict)}
