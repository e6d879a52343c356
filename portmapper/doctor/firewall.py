"""Check whether this host's own firewall drops incoming connections.

The rules come from `nft`, which also shows the rules of iptables-nft. A condition on anything but protocol,
port, interface or connection state may match or not. Such a rule counts as accepting, so that doctor
reports a firewall only if it certainly drops the packets.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from portmapper.api.findings import Finding
from portmapper.doctor.desired import DesiredPort

NFT_TIMEOUT = 5.0
"""Time limit in seconds for `nft`."""

MAX_JUMP_DEPTH = 16
"""Maximum depth of jumps between chains; the kernel has the same limit."""

_UNKNOWN = "unknown"
_TRANSPORTS = frozenset({"tcp", "udp", "icmp", "icmpv6", "sctp", "dccp", "udplite"})
_FAMILIES = {4: ("ip", "inet"), 6: ("ip6", "inet")}

Rule = Sequence[Mapping[str, Any]]


@attrs.frozen
class Firewall:
    """The rules for packets to this host.

    Attributes:
        input_chains: key (family, table, name) and policy of each input chain.
        chains: the rules of every chain, by key.
    """

    input_chains: Sequence[tuple[tuple[str, str, str], str]]
    chains: Mapping[tuple[str, str, str], Sequence[Rule]]

    def drops(self, port: DesiredPort, interface: str) -> bool:
        """Return whether a new connection from outside is certainly dropped or rejected."""
        packet = Packet(port.protocol.value.lower(), port.internal_port, interface)
        families = _FAMILIES[port.internal_address.version]
        return any(
            (self._verdict(chain, packet) or policy) in ("drop", "reject")
            for chain, policy in self.input_chains
            if chain[0] in families
        )

    def _verdict(self, chain: tuple[str, str, str], packet: Packet, depth: int = 0) -> str:
        """Return the verdict of a chain: a verdict, unknown, or empty if the packet returns from it."""
        if depth > MAX_JUMP_DEPTH:
            return _UNKNOWN
        for rule in self.chains.get(chain, ()):
            matches = packet.matches(rule)
            for statement in rule if matches else ():
                verdict = self._statement_verdict(statement, chain, packet, depth)
                if verdict == "return":
                    return ""
                if verdict and not (matches == _UNKNOWN and verdict in ("drop", "reject")):
                    return _UNKNOWN if matches == _UNKNOWN else verdict
        return ""

    def _statement_verdict(
        self, statement: Mapping[str, Any], chain: tuple[str, str, str], packet: Packet, depth: int
    ) -> str:
        for keyword in ("jump", "goto"):
            if keyword in statement:
                target = (chain[0], chain[1], str(statement[keyword].get("target")))
                return self._verdict(target, packet, depth + 1)
        if "queue" in statement or "vmap" in statement or "xt" in statement:
            return _UNKNOWN
        return next(
            (keyword for keyword in ("accept", "drop", "reject", "return") if keyword in statement), ""
        )


@attrs.frozen
class Packet:
    """The first packet of a new connection.

    Attributes:
        protocol: `tcp` or `udp`.
        port: destination port.
        interface: the interface on which it arrives.
    """

    protocol: str
    port: int
    interface: str

    def matches(self, rule: Rule) -> str:
        """Return `yes`, unknown, or empty if a condition does not match."""
        answers = [self._matches(statement["match"]) for statement in rule if "match" in statement]
        if "" in answers:
            return ""
        return _UNKNOWN if _UNKNOWN in answers else "yes"

    def _matches(self, match: Mapping[str, Any]) -> str:
        left = match.get("left")
        left = left if isinstance(left, dict) else {}
        if left.get("payload", {}).get("protocol") in _TRANSPORTS - {self.protocol}:
            return ""  # the condition is for packets of another protocol
        known = self._value_of(left)
        matches_right = None if known is None else _compare(known, match.get("right"))
        if matches_right is None:
            return _UNKNOWN
        return "yes" if matches_right == (match.get("op") != "!=") else ""

    def _value_of(self, left: Mapping[str, Any]) -> object | None:
        """Return the packet's value for the left side of a condition; None if it is not known."""
        payload = left.get("payload", {})
        if payload.get("field") == "dport":
            return self.port
        if payload.get("field") == "protocol":
            return self.protocol
        if left.get("ct", {}).get("key") == "state":
            return "new"
        known = {"l4proto": self.protocol, "iifname": self.interface, "iif": self.interface}
        return known.get(left.get("meta", {}).get("key"))


def _compare(known: object, right: Any) -> bool | None:
    """Return whether a value equals the right side, or is in its set or range; None if unknown."""
    if isinstance(right, dict) and "set" in right:
        answers = [_compare(known, item) for item in right["set"]]
        return True if True in answers else None if None in answers else False
    if isinstance(right, dict) and "range" in right:
        low, high = right["range"]
        return isinstance(known, int) and low <= known <= high
    if isinstance(right, list):
        return known in right
    if isinstance(right, str) and right.endswith("*"):
        return str(known).startswith(right[:-1])
    if isinstance(right, str) and right.startswith("@"):
        return None
    return None if isinstance(right, dict) else bool(known == right)


def read_firewall() -> Firewall | None:
    """Return the rules; None if they cannot be read: no `nft`, or no permission."""
    program = shutil.which("nft")
    if program is None:
        return None
    try:
        answer = subprocess.run(
            [program, "-j", "list", "ruleset"],
            capture_output=True,
            text=True,
            timeout=NFT_TIMEOUT,
            check=True,
        )
        return parse_firewall(json.loads(answer.stdout)["nftables"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None


def parse_firewall(objects: Iterable[Mapping[str, Any]]) -> Firewall:
    """Parse the rules from nft's JSON."""
    input_chains: list[tuple[tuple[str, str, str], str]] = []
    chains: dict[tuple[str, str, str], list[Rule]] = {}
    for item in objects:
        if (chain := item.get("chain")) and chain.get("hook") == "input" and chain.get("type") == "filter":
            key = (chain["family"], chain["table"], chain["name"])
            input_chains.append((key, str(chain.get("policy", "accept"))))
        if rule := item.get("rule"):
            key = (rule["family"], rule["table"], rule["chain"])
            chains.setdefault(key, []).append(rule.get("expr", []))
    return Firewall(input_chains, chains)


def firewall_findings(
    desired: Iterable[DesiredPort], firewall: Firewall, interface_of: Any
) -> Iterator[Finding]:
    """Report which ports of this host its firewall drops; `interface_of` returns an address's interface."""
    for port in desired:
        interface = interface_of(port.internal_address)
        if interface is None:
            continue
        name = f"{port.internal_port}/{port.protocol.lower()}"
        if firewall.drops(port, interface):
            advice = f"allow new connections to {name} on {interface}"
            finding = Finding.error("local-firewall", f"the firewall of this host drops {name}", advice)
        else:
            finding = Finding.ok("local-firewall", f"no known firewall rule of this host drops {name}")
        yield finding.about(str(port))
