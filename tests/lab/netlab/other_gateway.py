"""Another gateway on a second LAN of the same host, without a route to it.

lan host eth1 192.168.77.2 -- 192.168.77.1 [gw2] 11.22.33.5 -- wan host
"""

from __future__ import annotations

from netlab.gateway import Gateway
from netlab.lab import WAN_HOST, Lab
from netlab.namespaces import cable, switch

OTHER_GATEWAY = "192.168.77.1"
OTHER_HOST = "192.168.77.2"
OTHER_WAN = "11.22.33.5"


def other_gateway(lab: Lab) -> Gateway:
    """Build the gateway without starting it."""
    host = lab.topology.add("gw2")
    switch(host, "lan0")
    cable(host, "port-lan", lab.lan, "eth1")
    host.ip("link", "set", "port-lan", "master", "lan0")
    host.ip("addr", "add", f"{OTHER_GATEWAY}/24", "dev", "lan0")
    lab.lan.ip("addr", "add", f"{OTHER_HOST}/24", "dev", "eth1")
    cable(host, "wan0", lab.wan, "eth1")
    host.ip("addr", "add", f"{OTHER_WAN}/24", "dev", "wan0")
    lab.wan.ip("route", "add", f"{OTHER_WAN}/32", "dev", "eth1", "src", WAN_HOST)
    place = lab.directory / "gw2"
    place.mkdir()
    return Gateway(host, OTHER_GATEWAY, OTHER_WAN, place)
