"""The standard lab: a LAN host, a gateway and a WAN host.

    lan host 192.168.88.2 -- lan0 [gateway] wan0 -- wan host 11.22.33.2

The external addresses look public, because miniupnpd does not work with a private one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from netlab.gateway import Gateway
from netlab.hosts import AnsweringHost, answer_text, exchange
from netlab.namespaces import Namespace, Topology, cable, switch

LAN_GATEWAY = "192.168.88.1"
LAN_HOST = "192.168.88.2"
WAN_GATEWAY = "11.22.33.1"
WAN_HOST = "11.22.33.2"


class Lab:
    """Three connected hosts.

    Attributes:
        lan: the LAN host, whose ports are opened.
        router: the host of the gateway.
        wan: the WAN host.
        gateway: miniupnpd on the router, not started yet.
        servers: the servers on the LAN host.
        directory: directory for files.
    """

    def __init__(self, topology: Topology, directory: Path) -> None:
        self.topology = topology
        self.directory = directory
        self.router = topology.add("gw")
        switch(self.router, "lan0")
        self.router.ip("addr", "add", f"{LAN_GATEWAY}/24", "dev", "lan0")
        self.lan = self.add_lan_host("lan", LAN_HOST)
        self.wan = topology.add("wan")
        cable(self.router, "wan0", self.wan, "eth0")
        self.router.ip("addr", "add", f"{WAN_GATEWAY}/24", "dev", "wan0")
        self.wan.ip("addr", "add", f"{WAN_HOST}/24", "dev", "eth0")
        self.gateway = Gateway(self.router, LAN_GATEWAY, WAN_GATEWAY, directory)
        self.servers = AnsweringHost(self.lan)

    def add_lan_host(self, role: str, address: str) -> Namespace:
        """Connect another host to the LAN, with the gateway as its default route."""
        host = self.topology.add(role)
        cable(self.router, f"port-{role}", host, "eth0")
        self.router.ip("link", "set", f"port-{role}", "master", "lan0")
        host.ip("addr", "add", f"{address}/24", "dev", "eth0")
        host.ip("route", "add", "default", "via", LAN_GATEWAY)
        return host

    @contextlib.contextmanager
    def guest(self, role: str, address: str) -> Iterator[Namespace]:
        """Connect another host for a while, so that a later test may use its name and its address."""
        host = self.add_lan_host(role, address)
        try:
            yield host
        finally:
            # A namespace is deleted later than its command ends; until then, it would keep the name.
            self.router.ip("link", "del", f"port-{role}")
            self.topology.remove(host)
            for neighbor in (self.router, self.lan):
                neighbor.ip("neigh", "flush", "to", address)

    def query_from_wan(self, protocol: str, port: int) -> str | None:
        """Query a port of the gateway's external address; return the answer or None."""
        return exchange(self.wan, protocol, WAN_GATEWAY, port)

    def reaches(
        self, protocol: str, port: int, internal_port: int | None = None, expected_peer: str = WAN_HOST
    ) -> bool:
        """Return whether the server on the LAN host answers the WAN host through an external port.

        `expected_peer` is the peer address that the server sees; a relaying gateway uses its own address.
        """
        internal_port = internal_port or port
        self.servers.listen(protocol, internal_port)
        return self.query_from_wan(protocol, port) == answer_text(protocol, internal_port, expected_peer)


@contextlib.contextmanager
def running_lab(directory: Path) -> Iterator[Lab]:
    """Build a lab, and remove it at the end."""
    with Topology() as topology:
        lab = Lab(topology, directory)
        try:
            yield lab
        finally:
            lab.servers.close()
            lab.gateway.kill()
