"""What a dstnat rule means: whose it is, which ports it takes, from which side."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator

import attrs

from portmapper.api import IPAddress, MapRequest, Protocol, TableEntry
from portmapper_routeros.rest import Item

TAG = "portmapper: "
"""How the comment of each rule of ours begins; a rule without it is never touched."""

OUTSIDE_LIST = "WAN"
_PROTOCOLS = {"tcp": Protocol.TCP, "6": Protocol.TCP, "udp": Protocol.UDP, "17": Protocol.UDP}
# A rule that takes no packet away: it only notes, or sends on through the table.
_PASSING = frozenset({"log", "passthrough", "accept", "return", "add-dst-to-address-list"})
_MAX_COMMENT = 200


@attrs.frozen
class Outside:
    """Where packets from the Internet come in.

    Attributes:
        interface: its name; empty when rules name the list `WAN`.
        members: the interfaces of that side.
        lists: every interface list of the router with its members.
    """

    interface: str
    members: Collection[str]
    lists: dict[str, set[str]]

    @property
    def condition(self) -> Item:
        """What makes a rule match on that side only: LAN hosts still reach the Internet's port 80."""
        if self.interface:
            return {"in-interface": self.interface}
        return {"in-interface-list": OUTSIDE_LIST}

    def sees(self, rule: Item) -> bool:
        """Tell whether a packet from outside can meet this rule."""
        return self._named(rule.get("in-interface", "")) and self._listed(rule.get("in-interface-list", ""))

    def _named(self, name: str) -> bool:
        if name.startswith("!"):
            return set(self.members) != {name[1:]}
        return not name or name == self.interface or name in self.members

    def _listed(self, name: str) -> bool:
        inside = self.lists.get(name.lstrip("!"), set())
        if name.startswith("!"):
            return name[1:] != "all" and not (self.members and inside.issuperset(self.members))
        return name in ("", "all", OUTSIDE_LIST if not self.interface else "") or not inside.isdisjoint(
            self.members
        )


def is_ours(rule: Item) -> bool:
    """Tell whether portmapper made it, on this host or another."""
    return rule.get("comment", "").startswith(TAG) and rule.get("dynamic", "false") != "true"


def is_enabled(rule: Item) -> bool:
    """Tell whether it is in force."""
    return rule.get("disabled", "false") != "true"


def takes(rule: Item, protocol: Protocol, port: int) -> bool:
    """Tell whether the rule takes packets to this port away."""
    if rule.get("action") in _PASSING or not is_enabled(rule):
        return False
    spoken = rule.get("protocol", "")
    if spoken and not _matches_protocol(spoken, protocol):
        return False
    ports = rule.get("dst-port", "")
    within = any(first <= port <= last for first, last in _ranges(ports.lstrip("!")))
    return not ports or within is not ports.startswith("!")


def _matches_protocol(spoken: str, protocol: Protocol) -> bool:
    matches = _PROTOCOLS.get(spoken.lstrip("!").lower()) is protocol
    return matches is not spoken.startswith("!")


def _ranges(ports: str) -> Iterator[tuple[int, int]]:
    """Read `80,443,6000-6010`; what is no port is left out."""
    for part in ports.split(","):
        first, _, last = part.partition("-")
        if first.isdecimal() and (last or first).isdecimal() and len(part) <= 11:
            yield int(first), int(last or first)


def destination(rule: Item) -> IPAddress | None:
    """Return who gets the packets, None where it is no single address."""
    try:
        return ipaddress.ip_address(rule.get("to-addresses", ""))
    except ValueError:
        return None


def entry(rule: Item) -> TableEntry | None:
    """Return the rule as an entry of the table; None for one that opens no single port."""
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


def wanted_rule(request: MapRequest, port: int, outside: Outside) -> Item:
    """Return the rule that does what is asked."""
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
    return rule | outside.condition
