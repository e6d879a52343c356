"""What can be chosen about an embedded gateway."""

from __future__ import annotations

import ipaddress

import attrs

from portmapper.api import Protocol

PROTOCOLS = frozenset({"pcp", "natpmp", "upnp"})
HIGHEST_PORT = 65535
EVERYWHERE = ipaddress.IPv4Network("0.0.0.0/0")


@attrs.frozen
class Rule:
    """One permission rule; the first that matches decides, and no match allows.

    Attributes:
        allow: whether a request that matches may pass.
        protocol: TCP or UDP, None for both.
        external_ports: lowest and highest external port.
        internal_ports: lowest and highest internal port.
        network: internal addresses.
    """

    allow: bool
    protocol: Protocol | None = None
    external_ports: tuple[int, int] = (0, HIGHEST_PORT)
    internal_ports: tuple[int, int] = (0, HIGHEST_PORT)
    network: ipaddress.IPv4Network = EVERYWHERE

    def matches(self, protocol: Protocol, external_port: int, address: str, internal_port: int) -> bool:
        """Tell whether this rule speaks of such a mapping."""
        return (
            self.protocol in (None, protocol)
            and self.external_ports[0] <= external_port <= self.external_ports[1]
            and self.internal_ports[0] <= internal_port <= self.internal_ports[1]
            and ipaddress.IPv4Address(address) in self.network
        )


@attrs.frozen
class Settings:
    """An embedded gateway's settings; a port 0 takes a free one.

    Attributes:
        host: inside address, where clients ask.
        pcp_port: UDP port of PCP and NAT-PMP (5351 on real ones).
        http_port: TCP port of the description and SOAP.
        ssdp_port: UDP port of SSDP (1900 on real ones), multicast and unicast.
        announce_port: UDP port at which clients listen for PCP and NAT-PMP announcements.
        external_host: outside address, from which connections are relayed inside.
        external_address: the outside address that clients are told.
        igd_version: 1 or 2.
        protocols: which of `pcp`, `natpmp` and `upnp` are on.
        quirks: names from the registry of quirks.
        rules: permission rules, in order.
        max_mappings: entries the table can hold.
        max_lifetime: longest lifetime PCP and NAT-PMP are granted, in seconds.
        uptime: seconds it claims to have been up at start, so that a restart shows in the epoch.
        relay: really forward; False keeps the table alone, for measuring large ones.
        model: what it calls itself.
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
