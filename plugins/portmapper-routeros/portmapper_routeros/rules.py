"""Interpretation of dstnat rules: owner, ports, and the interfaces they apply to."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator

import attrs

from portmapper.api import IPAddress, MapRequest, Protocol, TableEntry
from portmapper_routeros.rest import Item

TAG = "portmapper: "
"""Comment prefix of portmapper's rules; rules without it are never changed."""

WAN_LIST = "WAN"
_PROTOCOLS = {"tcp": Protocol.TCP, "6": Protocol.TCP, "udp": Protocol.UDP, "17": Protocol.UDP}
# These actions do not redirect a packet.
_PASSING = frozenset({"log", "passthrough", "accept", "return", "add-dst-to-address-list"})
_MAX_COMMENT = 200


@attrs.frozen
class WanSide:
    """The router's interfaces to the Internet.

    Attributes:
        interface: interface name; empty if rules use the interface list `WAN`.
        members: the WAN interfaces.
        lists: members of every interface list of the router.
    """

    interface: str
    members: Collection[str]
    lists: dict[str, set[str]]

    @property
    def condition(self) -> Item:
        """Condition for WAN packets only; else LAN hosts could not reach this port on the Internet."""
        if self.interface:
            return {"in-interface": self.interface}
        return {"in-interface-list": WAN_LIST}

    def sees(self, rule: Item) -> bool:
        """Return whether a packet from the WAN can match this rule."""
        return self._matches_interface(rule.get("in-interface", "")) and self._matches_list(
            rule.get("in-interface-list", "")
        )

    def _matches_interface(self, name: str) -> bool:
        if name.startswith("!"):
            return set(self.members) != {name[1:]}
        return not name or name == self.interface or name in self.members

    def _matches_list(self, name: str) -> bool:
        inside = self.lists.get(name.lstrip("!"), set())
        if name.startswith("!"):
            return name[1:] != "all" and not (self.members and inside.issuperset(self.members))
        return name in ("", "all", WAN_LIST if not self.interface else "") or not inside.isdisjoint(
            self.members
        )


def is_ours(rule: Item) -> bool:
    """Return whether portmapper created the rule, on this host or another."""
    return rule.get("comment", "").startswith(TAG) and rule.get("dynamic", "false") != "true"


def is_enabled(rule: Item) -> bool:
    """Return whether the rule is enabled."""
    return rule.get("disabled", "false") != "true"


def takes(rule: Item, protocol: Protocol, port: int) -> bool:
    """Return whether the rule redirects packets to this port."""
    if rule.get("action") in _PASSING or not is_enabled(rule):
        return False
    named = rule.get("protocol", "")
    if named and not _matches_protocol(named, protocol):
        return False
    ports = rule.get("dst-port", "")
    within = any(first <= port <= last for first, last in _ranges(ports.lstrip("!")))
    return not ports or within is not ports.startswith("!")


def _matches_protocol(named: str, protocol: Protocol) -> bool:
    matches = _PROTOCOLS.get(named.lstrip("!").lower()) is protocol
    return matches is not named.startswith("!")


def _ranges(ports: str) -> Iterator[tuple[int, int]]:
    """Read a list such as `80,443,6000-6010`; skip invalid parts."""
    for part in ports.split(","):
        first, _, last = part.partition("-")
        if first.isdecimal() and (last or first).isdecimal() and len(part) <= 11:
            yield int(first), int(last or first)


def destination(rule: Item) -> IPAddress | None:
    """Return the destination address, or None if it is not a single address."""
    try:
        return ipaddress.ip_address(rule.get("to-addresses", ""))
    except ValueError:
        return None


def entry(rule: Item) -> TableEntry | None:
    """Return the rule as a table entry, or None if it does not open a single port."""
    protocol = _PROTOCOLS.get(rule.get("protocol", "").lower())
    ports = list(_ranges(rule.get("dst-port", "")))
    single = len(ports) == 1 and ports[0][0] == ports[0][1] and 1 <= ports[0][0] <= 65535
    if rule.get("action") != "dst-nat" or protocol is None or not single:
        return None
    inside = rule.get("to-ports", "")
    comment = rule.get("comment", "")
    return TableEntry(
        protocol,
        ports[0][0],
        destination(rule),
        int(inside) if inside.isdecimal() and 1 <= len(inside) <= 5 else ports[0][0],
        comment.removeprefix(TAG) if is_ours(rule) else comment,
    )


def desired_rule(request: MapRequest, port: int, wan: WanSide) -> Item:
    """Return the rule for a request."""
    plain = "".join(c if c.isprintable() else "?" for c in request.comment)
    rule = {
        "chain": "dstnat",
        "action": "dst-nat",
        "protocol": request.protocol.lower(),
        "dst-port": str(port),
        "to-addresses": str(request.internal_address),
        "to-ports": str(request.internal_port),
        "comment": f"{TAG}{plain[:_MAX_COMMENT]}",
    }
    return rule | wan.condition
