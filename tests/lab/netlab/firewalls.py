"""The firewalls that miniupnpd can use: nftables, and iptables in another build of it."""

from __future__ import annotations

import collections
import json
import os
import re
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from netlab.namespaces import LabError, Namespace

_PROTOCOLS = {6: "TCP", 17: "UDP"}


class Rule(NamedTuple):
    """A redirect rule of the gateway."""

    protocol: str
    external_port: int
    internal_address: str
    internal_port: int


class Firewall(Protocol):
    """The firewall of a gateway."""

    @property
    def program(self) -> str:
        """The miniupnpd that was built for it."""

    @property
    def configuration(self) -> tuple[str, ...]:
        """Lines of miniupnpd's configuration that name its chains."""

    def empty(self, router: Namespace) -> None:
        """Set up NAT without redirects; the tables of tests, which drop packets, stay."""

    def clear(self, router: Namespace) -> None:
        """Delete everything, also the tables of tests."""

    def rules(self, router: Namespace) -> list[Rule]:
        """Return the redirects, independent of miniupnpd."""

    def accepted_ports(self, router: Namespace) -> collections.Counter[tuple[str, int]]:
        """Count the filter rules that accept traffic, by protocol and internal port."""


# Redirects and filters share a table, because miniupnpd uses chains of one family for both.
_NFTABLES = """
table inet filter
delete table inet filter
table inet filter {
    chain forward {
        type filter hook forward priority filter; policy drop;
        ct state established,related accept
        iifname "lan0" accept
        jump miniupnpd
    }
    chain prerouting {
        type nat hook prerouting priority dstnat; policy accept;
        iifname "wan0" jump prerouting_miniupnpd
    }
    chain postrouting {
        type nat hook postrouting priority srcnat; policy accept;
        oifname "wan0" jump postrouting_miniupnpd
        oifname "wan0" meta nfproto ipv4 masquerade
    }
    chain miniupnpd {
    }
    chain prerouting_miniupnpd {
    }
    chain postrouting_miniupnpd {
    }
}
"""


class Nftables:
    """What Debian and current OpenWrt use."""

    program = "miniupnpd"
    configuration = (
        "upnp_table_name=filter",
        "upnp_nat_table_name=filter",
        "upnp_forward_chain=miniupnpd",
        "upnp_nat_chain=prerouting_miniupnpd",
        "upnp_nat_postrouting_chain=postrouting_miniupnpd",
    )

    def empty(self, router: Namespace) -> None:
        """Set up NAT without redirects; the tables of tests stay."""
        router.run("nft", "-f", "-", stdin=_NFTABLES)

    def clear(self, router: Namespace) -> None:
        """Delete everything."""
        router.run("nft", "flush", "ruleset")

    def rules(self, router: Namespace) -> list[Rule]:
        """Return the redirects."""
        text = router.run("nft", "-j", "list", "chain", "inet", "filter", "prerouting_miniupnpd")
        return [_rule(item["rule"]["expr"]) for item in json.loads(text)["nftables"] if "rule" in item]

    def accepted_ports(self, router: Namespace) -> collections.Counter[tuple[str, int]]:
        """Count the filter rules that accept traffic."""
        text = router.run("nft", "list", "chain", "inet", "filter", "miniupnpd")
        found = re.findall(r"th dport (\d+) .*@nh,72,8 (0x\w+) accept", text)
        return collections.Counter((_PROTOCOLS[int(number, 16)], int(port)) for port, number in found)


_IPTABLES_FILTER = """*filter
:FORWARD DROP [0:0]
:MINIUPNPD - [0:0]
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A FORWARD -i lan0 -j ACCEPT
-A FORWARD -j MINIUPNPD
COMMIT
"""
_IPTABLES = f"""*nat
:MINIUPNPD - [0:0]
:MINIUPNPD-POSTROUTING - [0:0]
-A PREROUTING -i wan0 -j MINIUPNPD
-A POSTROUTING -o wan0 -j MINIUPNPD-POSTROUTING
-A POSTROUTING -o wan0 -j MASQUERADE
COMMIT
{_IPTABLES_FILTER}"""


class Iptables:
    """What older routers use; Debian's package conflicts with the one for nftables, so it is unpacked."""

    configuration = ()

    @property
    def program(self) -> str:
        """The unpacked program: `nox -s gateways` names its directory."""
        return str(Path(os.environ["MINIUPNPD_IPTABLES"], "usr/sbin/miniupnpd"))

    def empty(self, router: Namespace) -> None:
        """Set up NAT without redirects; the tables of tests are those of nftables, and stay."""
        router.run("iptables-legacy-restore", stdin=_IPTABLES)

    def clear(self, router: Namespace) -> None:
        """Delete everything."""
        router.run("nft", "flush", "ruleset")
        self.empty(router)

    def rules(self, router: Namespace) -> list[Rule]:
        """Return the redirects.

        iptables 1.8.9 cannot print the target that miniupnpd writes, but its rule for the way back names it.
        miniupnpd writes the two one after the other: a redirect without the other is not complete.
        """
        text = router.run("iptables-legacy-save", "-t", "nat")
        back = r"-A MINIUPNPD-POSTROUTING -s ([\d.]+)/32 -p (\w+) .*--sport (\d+) .*--to-ports (\d+)"
        targets = {(name, outer): (host, int(inner)) for host, name, inner, outer in re.findall(back, text)}
        found = re.findall(r"-A MINIUPNPD .*-p (\w+) .*--dport (\d+) -j DNAT", text)
        return [Rule(key[0].upper(), int(key[1]), *targets[key]) for key in found if key in targets]

    def accepted_ports(self, router: Namespace) -> collections.Counter[tuple[str, int]]:
        """Count the filter rules that accept traffic."""
        text = router.run("iptables-legacy-save", "-t", "filter")
        found = re.findall(r"-A MINIUPNPD .*-p (tcp|udp) .*--dport (\d+) -j ACCEPT", text)
        return collections.Counter((name.upper(), int(port)) for name, port in found)


def without_duplicates(rules: list[Rule]) -> set[Rule]:
    """Return the rules as a set; a duplicate is a fault of the gateway."""
    if len(set(rules)) != len(rules):
        raise LabError(f"duplicate redirect: {rules}")
    return set(rules)


def _rule(expressions: list[dict[str, Any]]) -> Rule:
    matched: dict[str, int] = {}
    target: dict[str, Any] = {}
    for expression in expressions:
        if "dnat" in expression:
            target = expression["dnat"]
        elif payload := expression.get("match", {}).get("left", {}).get("payload"):
            # In this table's family, the protocol has no name and is a byte of the network header.
            matched[payload.get("field", "protocol")] = expression["match"]["right"]
    return Rule(_PROTOCOLS[matched["protocol"]], matched["dport"], target["addr"], target["port"])
