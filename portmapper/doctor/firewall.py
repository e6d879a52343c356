"""Whether this host's own firewall drops what arrives, as far as its rules can be read with certainty.

Read is what `nft` shows, iptables' rules on nftables among them. A rule that asks for more than a
protocol, a port, an interface or the state of the connection may fit or not: such a rule is taken
to let through, so that a firewall is only blamed when it is sure.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from portmapper.api.findings import Finding
from portmapper.doctor.desired import Desired

PATIENCE = 5.0
"""Seconds for `nft`."""

DEEPEST = 16
"""Chains that lead into each other; the kernel itself allows as many."""

_UNSURE = "unsure"
_TRANSPORTS = frozenset({"tcp", "udp", "icmp", "icmpv6", "sctp", "dccp", "udplite"})
_FAMILIES = {4: ("ip", "inet"), 6: ("ip6", "inet")}

Rule = Sequence[Mapping[str, Any]]


@attrs.frozen
class Firewall:
    """The rules for packets to this host.

    Attributes:
        entries: name and policy of each chain where they arrive, with its family and table.
        chains: the rules of every chain, by family, table and name.
    """

    entries: Sequence[tuple[tuple[str, str, str], str]]
    chains: Mapping[tuple[str, str, str], Sequence[Rule]]

    def drops(self, port: Desired, interface: str) -> bool:
        """Tell whether a new connection from outside is dropped or rejected for certain."""
        packet = Packet(port.protocol.value.lower(), port.internal_port, interface)
        families = _FAMILIES[port.internal_address.version]
        return any(
            (self._verdict(chain, packet) or policy) in ("drop", "reject")
            for chain, policy in self.entries
            if chain[0] in families
        )

    def _verdict(self, chain: tuple[str, str, str], packet: Packet, depth: int = 0) -> str:
        """Return what becomes of the packet there: a verdict, unsure, or nothing when it comes back."""
        if depth > DEEPEST:
            return _UNSURE
        for rule in self.chains.get(chain, ()):
            fits = packet.fits(rule)
            for statement in rule if fits else ():
                verdict = self._of(statement, chain, packet, depth)
                if verdict == "return":
                    return ""
                if verdict and not (fits == _UNSURE and verdict in ("drop", "reject")):
                    return _UNSURE if fits == _UNSURE else verdict
        return ""

    def _of(
        self, statement: Mapping[str, Any], chain: tuple[str, str, str], packet: Packet, depth: int
    ) -> str:
        for word in ("jump", "goto"):
            if word in statement:
                target = (chain[0], chain[1], str(statement[word].get("target")))
                return self._verdict(target, packet, depth + 1)
        if "queue" in statement or "vmap" in statement or "xt" in statement:
            return _UNSURE
        return next((word for word in ("accept", "drop", "reject", "return") if word in statement), "")


@attrs.frozen
class Packet:
    """A new connection as it arrives.

    Attributes:
        protocol: `tcp` or `udp`.
        port: destination port.
        interface: by which it comes.
    """

    protocol: str
    port: int
    interface: str

    def fits(self, rule: Rule) -> str:
        """Return `yes`, unsure, or nothing when a condition says no."""
        answers = [self._fits(statement["match"]) for statement in rule if "match" in statement]
        if "" in answers:
            return ""
        return _UNSURE if _UNSURE in answers else "yes"

    def _fits(self, match: Mapping[str, Any]) -> str:
        left = match.get("left")
        left = left if isinstance(left, dict) else {}
        if left.get("payload", {}).get("protocol") in _TRANSPORTS - {self.protocol}:
            return ""  # it looks into another kind of packet, whatever for
        known = self._known(left)
        holds = None if known is None else _holds(known, match.get("right"))
        if holds is None:
            return _UNSURE
        return "yes" if holds == (match.get("op") != "!=") else ""

    def _known(self, left: Mapping[str, Any]) -> object | None:
        """Return the packet's own value of what a condition looks at, None when we cannot know it."""
        payload = left.get("payload", {})
        if payload.get("field") == "dport":
            return self.port
        if payload.get("field") == "protocol":
            return self.protocol
        if left.get("ct", {}).get("key") == "state":
            return "new"
        known = {"l4proto": self.protocol, "iifname": self.interface, "iif": self.interface}
        return known.get(left.get("meta", {}).get("key"))


def _holds(known: object, right: Any) -> bool | None:
    """Tell whether a value is the right-hand side, one of its set, or within its range."""
    if isinstance(right, dict) and "set" in right:
        answers = [_holds(known, one) for one in right["set"]]
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
    """Return the rules, None where they cannot be read: no `nft`, or no permission."""
    program = shutil.which("nft")
    if program is None:
        return None
    try:
        answer = subprocess.run(
            [program, "-j", "list", "ruleset"], capture_output=True, text=True, timeout=PATIENCE, check=True
        )
        return parse_firewall(json.loads(answer.stdout)["nftables"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None


def parse_firewall(objects: Iterable[Mapping[str, Any]]) -> Firewall:
    """Return the rules of nft's JSON."""
    entries: list[tuple[tuple[str, str, str], str]] = []
    chains: dict[tuple[str, str, str], list[Rule]] = {}
    for item in objects:
        if (chain := item.get("chain")) and chain.get("hook") == "input" and chain.get("type") == "filter":
            key = (chain["family"], chain["table"], chain["name"])
            entries.append((key, str(chain.get("policy", "accept"))))
        if rule := item.get("rule"):
            key = (rule["family"], rule["table"], rule["chain"])
            chains.setdefault(key, []).append(rule.get("expr", []))
    return Firewall(entries, chains)


def firewall_findings(desired: Iterable[Desired], firewall: Firewall, interface_of: Any) -> Iterator[Finding]:
    """Tell which ports for this host its own firewall drops; `interface_of` names an address's interface."""
    for port in desired:
        interface = interface_of(port.internal_address)
        if interface is None:
            continue
        name = f"{port.protocol} {port.internal_port}"
        if firewall.drops(port, interface):
            advice = f"let new connections to {name} in, on {interface}"
            yield Finding.error("local-firewall", f"this host's own firewall drops {name}", advice)
        else:
            yield Finding.ok("local-firewall", f"no rule of this host's firewall is known to drop {name}")
