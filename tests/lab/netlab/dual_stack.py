"""The standard lab with IPv6 beside IPv4: a link-local gateway, hosts with global addresses, and no NAT.

    lan host 2001:db8:88::2 -- fe80::1 lan0 [gateway] wan0 2001:db8:ff::1 -- wan host 2001:db8:ff::2

The gateway's firewall lets nothing in but what miniupnpd opens: one HTTP port serves IGD v2 with
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
"""No `ipv6_listening_ip`: with it miniupnpd serves that one address alone."""

DUAL_STACK = Variant("dual-stack", extra=IPV6_LINES)
DUAL_STACK_UPNP = Variant("dual-stack-upnp", natpmp=False, extra=IPV6_LINES)
DUAL_STACK_PCP = Variant("dual-stack-pcp", upnp=False, extra=IPV6_LINES)


class DualStack:
    """Adds IPv6 to a lab; start its gateway with one of the variants above.

    Attributes:
        lab: with IPv4, as it was.
        host: the LAN host's IPv6 address.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.host = PREFIX + HOST_PART
        for namespace, interface in ((lab.router, "lan0"), (lab.router, "wan0"), (lab.wan, "eth0")):
            _settle_at_once(namespace, interface)
        lab.router.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
        self._address(lab.router, "lan0", f"{LAN_ROUTER}/64")
        self._address(lab.router, "wan0", f"{WAN_ROUTER}/64")
        self._address(lab.wan, "eth0", f"{WAN_HOST_IPV6}/64")
        lab.wan.ip("-6", "route", "add", "default", "via", WAN_ROUTER)
        self.connect(lab.lan)
        self.give(lab.lan, self.host)

    def plug_in(self, host: Namespace, role: str) -> None:
        """Plug a host into the LAN that has IPv6 alone."""
        cable(self.lab.router, f"port-{role}", host, "eth0")
        self.lab.router.ip("link", "set", f"port-{role}", "master", "lan0")
        self.connect(host)

    def connect(self, host: Namespace) -> None:
        """Give a LAN host the link-local default route."""
        _settle_at_once(host, "eth0")
        host.ip("-6", "route", "add", "default", "via", LAN_ROUTER, "dev", "eth0")

    def give(self, host: Namespace, address: str, *options: str) -> None:
        """Give a LAN host one more address, such as with the options `preferred_lft 0`; the gateway's own
        prefix comes with it."""
        prefix = address.rpartition("::")[0]
        if f"{prefix}::1/64" not in self.lab.router.ip("-6", "addr", "show", "dev", "lan0"):
            self._address(self.lab.router, "lan0", f"{prefix}::1/64")
        self._address(host, "eth0", f"{address}/64", *options)

    def deprecate(self, host: Namespace, address: str) -> None:
        """Let an address stand, but for no new connection, as a router does with a prefix that ends."""
        host.ip("-6", "addr", "change", f"{address}/64", "dev", "eth0", "preferred_lft", "0")

    def take(self, host: Namespace, address: str) -> None:
        """Take an address away."""
        host.ip("-6", "addr", "del", f"{address}/64", "dev", "eth0")

    def reset(self) -> None:
        """Leave the LAN host the one address that it began with."""
        self.lab.lan.ip("-6", "addr", "flush", "dev", "eth0", "scope", "global")
        self.give(self.lab.lan, self.host)
        self.lab.lan.ip("-6", "route", "replace", "default", "via", LAN_ROUTER, "dev", "eth0")

    def ask_from_wan(self, protocol: str, port: int, address: str | None = None) -> str | None:
        """Ask an address of the LAN host from outside, over IPv6; the answer, or None."""
        return exchange(self.lab.wan, protocol, address or self.host, port)

    def reaches(self, protocol: str, port: int, address: str | None = None) -> bool:
        """Tell whether the server on the LAN host answers the WAN host over IPv6."""
        self.lab.servers.listen(protocol, port, socket.AF_INET6)
        return self.ask_from_wan(protocol, port, address) == answer_text(protocol, port, WAN_HOST_IPV6)

    def silence_ipv6(self) -> None:
        """Have the gateway drop what it is asked over IPv6, until it is reset."""
        rules = "add table inet silent\n"
        rules += "add chain inet silent input { type filter hook input priority filter; }\n"
        rules += "add rule inet silent input meta nfproto ipv6 meta l4proto { tcp, udp } drop\n"
        self.lab.router.run("nft", "-f", "-", stdin=rules)

    def has_pinhole(self, address: str) -> bool:
        """Tell whether the gateway's firewall lets anything in to an address, whatever miniupnpd says."""
        rules = self.lab.router.run("nft", "list", "chain", "inet", "filter", "miniupnpd")
        return f"{int(ipaddress.IPv6Address(address)):#034x}" in rules

    def _address(self, host: Namespace, interface: str, address: str, *options: str) -> None:
        host.ip("-6", "addr", "add", address, "dev", interface, "nodad", *options)


def _settle_at_once(namespace: Namespace, interface: str) -> None:
    """Have no address of this interface be tentative for a second, and take none from strangers."""
    for name, value in (("accept_dad", 0), ("dad_transmits", 0), ("accept_ra", 0)):
        namespace.run("sysctl", "-qw", f"net.ipv6.conf.{interface}.{name}={value}")
