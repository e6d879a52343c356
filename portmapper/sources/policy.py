"""The policy: rules that allow or deny mappings of any source. The first matching rule decides."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address

from portmapper.api.model import ANY_PORT, Family, IPAddress, IPNetwork, Mapping, Protocol
from portmapper.network.host import Network, read_network
from portmapper.sources.port_syntax import MAX_PORT
from portmapper.support.values import frozen

EVERY_HOST = "any"
EVERY_PORT = range(1, MAX_PORT + 1)


class Action(enum.StrEnum):
    """What a rule does with a matching mapping."""

    ALLOW = "allow"
    DENY = "deny"


@frozen
class Rule:
    """One rule of the policy.

    The external port may be unknown (`port = "any"`), and a mapping may be for one of several addresses of
    this host. Then `deny` matches if one possible value matches, and `allow` only if all of them do.

    Attributes:
        action: allow or deny.
        port: external ports.
        internal_port: internal ports.
        protocol: protocols.
        remote: the rule is for mappings that only hosts of this network may use; `EVERY_HOST` for mappings
            that every host may use; None for all.
        address: internal addresses; None for all. For a mapping to this host, the addresses that it
            has when the list is read are checked.
    """

    action: Action
    port: range = EVERY_PORT
    internal_port: range = EVERY_PORT
    protocol: tuple[Protocol, ...] = tuple(Protocol)
    address: IPNetwork | None = None
    remote: IPNetwork | str | None = None

    def matches(self, mapping: Mapping, addresses: Sequence[IPAddress]) -> bool:
        """Return whether the rule matches a mapping; `addresses` are its possible internal addresses."""
        return (
            mapping.protocol in self.protocol
            and mapping.internal_port in self.internal_port
            and self._matches_port(mapping)
            and self._matches_remote(mapping.remote)
            and self._matches_address(addresses)
        )

    def _matches_port(self, mapping: Mapping) -> bool:
        # A pinhole opens the internal port.
        port = mapping.internal_port if mapping.family is Family.IPV6 else mapping.port
        if port == ANY_PORT:
            return self.action is Action.DENY or self.port == EVERY_PORT
        return port in self.port

    def _matches_remote(self, remote: IPNetwork | None) -> bool:
        """Match `deny` if some of the rule's hosts may connect, and `allow` only if no others may."""
        if self.remote is None or isinstance(self.remote, str):
            return self.remote is None or remote is None
        if remote is None or remote.version != self.remote.version:
            return remote is None and self.action is Action.DENY
        if self.action is Action.DENY:
            return remote.overlaps(self.remote)
        return remote.subnet_of(self.remote)  # type: ignore[arg-type]

    def _matches_address(self, addresses: Sequence[IPAddress]) -> bool:
        if self.address is None:
            return True
        inside = [address in self.address for address in addresses]
        if self.action is Action.DENY:
            return any(inside) or not inside
        return all(inside) and bool(inside)

    def __str__(self) -> str:
        words = [self.action.value]
        for name in ("port", "internal_port"):
            ports: range = getattr(self, name)
            if ports != EVERY_PORT:
                words.append(f"{name} {_format_ports(ports)}")
        words += self.protocol if len(self.protocol) == 1 else ()
        words += [f"remote {self.remote}"] if self.remote else ()
        return " ".join([*words, str(self.address)] if self.address else words)


@frozen
class Policy:
    """The rules in order. A mapping that no rule matches is allowed.

    Attributes:
        rules: the first matching rule decides.
    """

    rules: tuple[Rule, ...] = ()

    def checker(self, network: Callable[[], Network] = read_network) -> Callable[[Mapping], str]:
        """Return a check for one reading: it returns why a mapping is denied, empty if it is allowed."""
        if not self.rules:
            return _allow
        by_address = any(rule.address is not None for rule in self.rules)
        facts = network() if by_address else Network((), ())

        def refusal(mapping: Mapping) -> str:
            addresses = _addresses(mapping, facts) if by_address else ()
            for number, rule in enumerate(self.rules):
                if rule.matches(mapping, addresses):
                    return "" if rule.action is Action.ALLOW else f"denied by policy[{number}] ({rule})"
            return ""

        return refusal


def _allow(mapping: Mapping) -> str:
    return ""


def _addresses(mapping: Mapping, network: Network) -> Sequence[IPAddress]:
    """Return the possible internal addresses of a mapping."""
    desired = mapping.address
    if isinstance(desired, IPv4Address | IPv6Address):
        return [desired]
    version = 6 if mapping.family is Family.IPV6 else 4
    own = [a.ip for interface in network.interfaces for a in interface.addresses if a.version == version]
    return [address for address in own if desired is None or address in desired]


def _format_ports(ports: range) -> str:
    return str(ports.start) if len(ports) == 1 else f"{ports.start}-{ports[-1]}"
