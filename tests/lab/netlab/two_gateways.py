"""A LAN host with two routers, each with a real miniupnpd and a WAN host.

    11.22.33.2 -- [gw] 192.168.88.1 -- eth0 [lan host] eth1 -- 192.168.99.1 [gw2] -- 11.44.55.2

Both give the host a default route, the first one with the lower metric. Answers must leave through the
router that the request came through, so the host has a routing rule for each of its addresses.
"""

from __future__ import annotations

from pathlib import Path

from netlab.gateway import Gateway
from netlab.hosts import answer_text, exchange
from netlab.lab import LAN_GATEWAY, LAN_HOST, Lab
from netlab.namespaces import cable

SECOND_GATEWAY = "192.168.99.1"
SECOND_HOST = "192.168.99.2"
SECOND_WAN = "11.44.55.1"
SECOND_WAN_HOST = "11.44.55.2"
METRICS = {LAN_GATEWAY: "100", SECOND_GATEWAY: "200"}


class TwoGateways:
    """A lab with a second router; its gateways are not started.

    Attributes:
        lab: the lab with the first router.
        second: miniupnpd on the second router.
    """

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        router, self._wan = lab.topology.add("gw2"), lab.topology.add("wan2")
        cable(router, "lan0", lab.lan, "eth1")
        cable(router, "wan0", self._wan, "eth0")
        for host, interface, address in (
            (router, "lan0", SECOND_GATEWAY),
            (lab.lan, "eth1", SECOND_HOST),
            (router, "wan0", SECOND_WAN),
            (self._wan, "eth0", SECOND_WAN_HOST),
        ):
            host.ip("addr", "add", f"{address}/24", "dev", interface)
        directory.mkdir()
        self.second = Gateway(router, SECOND_GATEWAY, SECOND_WAN, directory)
        lab.lan.ip("route", "del", "default")
        routes = ((LAN_GATEWAY, LAN_HOST, "eth0"), (SECOND_GATEWAY, SECOND_HOST, "eth1"))
        for table, (gateway, address, interface) in enumerate(routes, 101):
            route = ("default", "via", gateway, "dev", interface)
            lab.lan.ip("route", "add", *route, "metric", METRICS[gateway])
            lab.lan.ip("route", "add", *route, "table", str(table))
            lab.lan.ip("rule", "add", "from", address, "table", str(table))

    def start(self) -> None:
        """Start both gateways with empty tables."""
        self.lab.gateway.reset()
        self.second.reset()

    def kill(self) -> None:
        """Kill the second gateway; the lab itself kills the first."""
        self.second.kill()

    def reaches_by_second(self, protocol: str, port: int) -> bool:
        """Return whether the LAN host answers the WAN host behind the second router."""
        self.lab.servers.listen(protocol, port)
        answer = exchange(self._wan, protocol, SECOND_WAN, port)
        return answer == answer_text(protocol, port, SECOND_WAN_HOST)
