"""A LAN host between two routers, each with a real miniupnpd and somebody outside.

    11.22.33.2 -- [gw] 192.168.88.1 -- eth0 [lan host] eth1 -- 192.168.99.1 [gw2] -- 11.44.55.2

Both give the host a default route, the first with the lower metric. What comes in by one has to go out
by it again, so the host has a rule for each of its addresses, as every host with two ways out needs.
"""

from __future__ import annotations

from pathlib import Path

from netlab.gateway import Gateway
from netlab.hosts import answer_text, exchange
from netlab.lab import LAN_GATEWAY, LAN_HOST, Lab
from netlab.namespaces import cable

SECOND_GATEWAY = "192.168.99.1"
SECOND_HOST = "192.168.99.2"
SECOND_OUTSIDE = "11.44.55.1"
SECOND_ASKER = "11.44.55.2"
METRICS = {LAN_GATEWAY: "100", SECOND_GATEWAY: "200"}


class TwoGateways:
    """Adds a second way out to a lab; its gateways are not started.

    Attributes:
        lab: the first way out.
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
            (router, "wan0", SECOND_OUTSIDE),
            (self._wan, "eth0", SECOND_ASKER),
        ):
            host.ip("addr", "add", f"{address}/24", "dev", interface)
        directory.mkdir()
        self.second = Gateway(router, SECOND_GATEWAY, SECOND_OUTSIDE, directory)
        lab.lan.ip("route", "del", "default")
        ways = ((LAN_GATEWAY, LAN_HOST, "eth0"), (SECOND_GATEWAY, SECOND_HOST, "eth1"))
        for table, (gateway, address, interface) in enumerate(ways, 101):
            way = ("default", "via", gateway, "dev", interface)
            lab.lan.ip("route", "add", *way, "metric", METRICS[gateway])
            lab.lan.ip("route", "add", *way, "table", str(table))
            lab.lan.ip("rule", "add", "from", address, "table", str(table))

    def start(self) -> None:
        """Start both, with empty tables."""
        self.lab.gateway.reset()
        self.second.reset()

    def kill(self) -> None:
        """Let both crash; the lab's own end sees to the first."""
        self.second.kill()

    def reaches_by_second(self, protocol: str, port: int) -> bool:
        """Tell whether the LAN host answers who stands behind the second router."""
        self.lab.servers.listen(protocol, port)
        answer = exchange(self._wan, protocol, SECOND_OUTSIDE, port)
        return answer == answer_text(protocol, port, SECOND_ASKER)
