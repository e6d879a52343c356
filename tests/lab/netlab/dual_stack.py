"""The standard lab with IPv6: a link-local gateway, hosts with global addresses, and no NAT.

    lan host 2001:db8:88::2 -- fe80::1 lan0 [gateway] wan0 2001:db8:ff::1 -- wan host 2001:db8:ff::2

The gateway's firewall accepts only what miniupnpd opens. One HTTP port serves IGD v2 with
WANIPv6FirewallControl over both families, and PCP listens on [::]:5351.
"""

from __future__ import annotations

import ipaddress
import socket

from netlab.gateway import Variant
from netlab.hosts import answer_text, exchange
from netlab.lab import Lab
from netlab.namespaces import Namespace, cable

LAN_ROUTER = "fe80::1"
PREFIX = "2001:db8:88::"
NEXT_PREFIX = "2001:db8:99::"
WAN_ROUTER = "2001:db8:ff::1"
WAN_HOST_IPV6 = "2001:db8:ff::2"
HOST_PART = "2"

IPV6_LINES = ("ipv6_disable=no", "ext_ifname6=wan0", "system_uptime=yes")
"""Without `ipv6_listening_ip`, because miniupnpd would serve only that address."""

DUAL_STACK = Variant("dual-stack", extra=IPV6_LINES)
DUAL_STACK_UPNP = Variant("dual-stack-upnp", natpmp=False, extra=IPV6_LINES)
DUAL_STACK_PCP = Variant("dual-stack-pcp", upnp=False, extra=IPV6_LINES)


class DualStack:
    """A lab with IPv6; start its gateway with one of the variants above.

    Attributes:
        lab: the lab with IPv4.
        host: the LAN host's IPv6 address.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.host = PREFIX + HOST_PART
        for namespace, interface in ((lab.router, "lan0"), (lab.router, "wan0"), (lab.wan, "eth0")):
            _disable_autoconfiguration(namespace, interface)
        lab.router.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
        self._address(lab.router, "lan0", f"{LAN_ROUTER}/64")
        self._address(lab.router, "wan0", f"{WAN_ROUTER}/64")
        self._address(lab.wan, "eth0", f"{WAN_HOST_IPV6}/64")
        lab.wan.ip("-6", "route", "add", "default", "via", WAN_ROUTER)
        self.connect(lab.lan)
        self.give(lab.lan, self.host)

    def plug_in(self, host: Namespace, role: str) -> None:
        """Connect a host with IPv6 only to the LAN."""
        cable(self.lab.router, f"port-{role}", host, "eth0")
        self.lab.router.ip("link", "set", f"port-{role}", "master", "lan0")
        self.connect(host)

    def connect(self, host: Namespace) -> None:
        """Add the link-local default route to a LAN host."""
        _disable_autoconfiguration(host, "eth0")
        host.ip("-6", "route", "add", "default", "via", LAN_ROUTER, "dev", "eth0")

    def give(self, host: Namespace, address: str, *options: str) -> None:
        """Add an address to a LAN host and its prefix to the gateway; `options` are those of `ip addr`."""

        prefix = address.rpartition("::")[0]
        if f"{prefix}::1/64" not in self.lab.router.ip("-6", "addr", "show", "dev", "lan0"):
            self._address(self.lab.router, "lan0", f"{prefix}::1/64")
        self._address(host, "eth0", f"{address}/64", *options)

    def deprecate(self, host: Namespace, address: str) -> None:
        """Deprecate an address, as a router does with an old prefix."""
        host.ip("-6", "addr", "change", f"{address}/64", "dev", "eth0", "preferred_lft", "0")

    def take(self, host: Namespace, address: str) -> None:
        """Remove an address from a host."""
        host.ip("-6", "addr", "del", f"{address}/64", "dev", "eth0")

    def reset(self) -> None:
        """Restore the LAN host's initial address and default route."""
        self.lab.lan.ip("-6", "addr", "flush", "dev", "eth0", "scope", "global")
        self.give(self.lab.lan, self.host)
        self.lab.lan.ip("-6", "route", "replace", "default", "via", LAN_ROUTER, "dev", "eth0")

    def query_from_wan(self, protocol: str, port: int, address: str | None = None) -> str | None:
        """Query an address of the LAN host from the WAN over IPv6; return the answer or None."""
        return exchange(self.lab.wan, protocol, address or self.host, port)

    def reaches(self, protocol: str, port: int, address: str | None = None) -> bool:
        """Return whether the server on the LAN host answers the WAN host over IPv6."""
        self.lab.servers.listen(protocol, port, socket.AF_INET6)
        return self.query_from_wan(protocol, port, address) == answer_text(protocol, port, WAN_HOST_IPV6)

    def silence_ipv6(self) -> None:
        """Make the gateway drop requests over IPv6 until it is reset."""
        rules = "add table inet silent\n"
        rules += "add chain inet silent input { type filter hook input priority filter; }\n"
        rules += "add rule inet silent input meta nfproto ipv6 meta l4proto { tcp, udp } drop\n"
        self.lab.router.run("nft", "-f", "-", stdin=rules)

    def has_pinhole(self, address: str) -> bool:
        """Return whether the gateway's firewall has a rule for an address."""
        rules = self.lab.router.run("nft", "list", "chain", "inet", "filter", "miniupnpd")
        return f"{int(ipaddress.IPv6Address(address)):#034x}" in rules

    def _address(self, host: Namespace, interface: str, address: str, *options: str) -> None:
        host.ip("-6", "addr", "add", address, "dev", interface, "nodad", *options)


def _disable_autoconfiguration(namespace: Namespace, interface: str) -> None:
    """Disable duplicate address detection and router advertisements on an interface."""
    for name, value in (("accept_dad", 0), ("dad_transmits", 0), ("accept_ra", 0)):
        namespace.run("sysctl", "-qw", f"net.ipv6.conf.{interface}.{name}={value}")
