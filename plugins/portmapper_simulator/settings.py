"""Settings of an embedded gateway."""

from __future__ import annotations

import ipaddress

import attrs

from portmapper.api import Protocol

PROTOCOLS = frozenset({"pcp", "natpmp", "upnp"})
HIGHEST_PORT = 65535
EVERYWHERE = ipaddress.IPv4Network("0.0.0.0/0")


@attrs.frozen
class Rule:
    """A permission rule; the first match decides, and no match allows the request.

    Attributes:
        allow: whether a matching request is allowed.
        protocol: TCP or UDP, None for both.
        external_ports: first and last external port.
        internal_ports: first and last internal port.
        network: network of the internal address.
    """

    allow: bool
    protocol: Protocol | None = None
    external_ports: tuple[int, int] = (0, HIGHEST_PORT)
    internal_ports: tuple[int, int] = (0, HIGHEST_PORT)
    network: ipaddress.IPv4Network = EVERYWHERE

    def matches(self, protocol: Protocol, external_port: int, address: str, internal_port: int) -> bool:
        """Return whether this rule applies to a mapping."""
        return (
            self.protocol in (None, protocol)
            and self.external_ports[0] <= external_port <= self.external_ports[1]
            and self.internal_ports[0] <= internal_port <= self.internal_ports[1]
            and ipaddress.IPv4Address(address) in self.network
        )


@attrs.frozen
class Settings:
    """An embedded gateway's settings; port 0 means any free port.

    Attributes:
        host: internal address, which clients send requests to.
        pcp_port: UDP port of PCP and NAT-PMP (5351 on real gateways).
        http_port: TCP port of the description and SOAP.
        ssdp_port: UDP port of SSDP (1900 on real gateways), multicast and unicast.
        announce_port: UDP port on which clients listen for PCP and NAT-PMP announcements.
        external_host: address of this host on which external ports are opened.
        external_address: external address to report to clients.
        igd_version: 1 or 2.
        protocols: enabled protocols, of `pcp`, `natpmp` and `upnp`.
        quirks: names of quirks.
        rules: permission rules, in order.
        max_mappings: most entries in the table.
        max_lifetime: longest lifetime to grant over PCP and NAT-PMP, in seconds.
        uptime: reported uptime at the start in seconds, so that a restart shows in the epoch.
        relay: forward traffic; False keeps only the table, to measure large tables.
        model: model name to report.
    """

    host: str = "127.0.0.1"
    pcp_port: int = 0
    http_port: int = 0
    ssdp_port: int = 0
    announce_port: int = 5350
    external_host: str = "127.0.0.2"
    external_address: str = "11.22.33.44"
    igd_version: int = 2
    protocols: frozenset[str] = PROTOCOLS
    quirks: frozenset[str] = frozenset()
    rules: tuple[Rule, ...] = ()
    max_mappings: int = 20_000
    max_lifetime: int = 86_400
    uptime: int = 3600
    relay: bool = True
    model: str = "portmapper simulator"
