"""The standard lab: a LAN, a gateway, and somebody outside.

    lan host 192.168.88.2 -- lan0 [gateway] wan0 -- wan host 11.22.33.2

The outside addresses look public because miniupnpd refuses to work behind a private one.
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
    """Three hosts that are wired up.

    Attributes:
        lan: the host whose ports are opened.
        router: the gateway's host.
        wan: the host outside.
        gateway: miniupnpd on the router; not yet started.
        servers: what answers on the LAN host.
        directory: a place for files.
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
        """Plug one more host into the LAN, with the gateway as its default route."""
        host = self.topology.add(role)
        cable(self.router, f"port-{role}", host, "eth0")
        self.router.ip("link", "set", f"port-{role}", "master", "lan0")
        host.ip("addr", "add", f"{address}/24", "dev", "eth0")
        host.ip("route", "add", "default", "via", LAN_GATEWAY)
        return host

    def ask_from_wan(self, protocol: str, port: int) -> str | None:
        """Ask the gateway's outside address on a port; the answer, or None."""
        return exchange(self.wan, protocol, WAN_GATEWAY, port)

    def reaches(
        self, protocol: str, port: int, internal_port: int | None = None, heard_from: str = WAN_HOST
    ) -> bool:
        """Tell whether the server on the LAN host answers the WAN host through that external port.

        `heard_from` is whom the server sees: a gateway that relays speaks with its own address.
        """
        internal_port = internal_port or port
        self.servers.listen(protocol, internal_port)
        return self.ask_from_wan(protocol, port) == answer_text(protocol, internal_port, heard_from)


@contextlib.contextmanager
def standing_lab(directory: Path) -> Iterator[Lab]:
    """Build a lab, and take it down whatever happens."""
    with Topology() as topology:
        lab = Lab(topology, directory)
        try:
            yield lab
        finally:
            lab.servers.close()
            lab.gateway.kill()
