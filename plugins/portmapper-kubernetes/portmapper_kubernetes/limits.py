"""What the operator allows. A user who may annotate a Service does not own the gateway."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence

import attrs

from portmapper.api import IPAddress, IPNetwork, quoted
from portmapper_kubernetes.rejections import DeniedByPolicy, InvalidSpec

UNPRIVILEGED = (range(1024, 65536),)
OVERWRITE = ("take", "overwrite")


@attrs.frozen
class Limits:
    """Limits for all objects.

    Attributes:
        namespaces: only these namespaces are served; empty for all.
        ports: external ports that may be opened.
        take: objects may replace mappings of other hosts.
        addresses: networks that may be mapped to, although no node has these addresses.
    """

    namespaces: tuple[str, ...] = ()
    ports: tuple[range, ...] = UNPRIVILEGED
    take: bool = False
    addresses: tuple[IPNetwork, ...] = ()

    def check_external(self, port: int) -> None:
        """Raise `DeniedByPolicy` if this external port may not be opened."""
        if not any(port in allowed for allowed in self.ports):
            raise DeniedByPolicy(f"port {port} is not allowed: the operator allows {self._allowed_ports}")

    def check_internal(self, port: int) -> None:
        """Raise `DeniedByPolicy` if this port of a host may not be exposed without a Service."""
        if not any(port in allowed for allowed in self.ports):
            raise DeniedByPolicy(
                f"internal port {port} is not allowed: the operator allows {self._allowed_ports}"
            )

    def check_conflict(self, policy: str) -> None:
        """Raise `DeniedByPolicy` if this conflict policy may not be used."""
        if policy.lower() in OVERWRITE and not self.take:
            raise DeniedByPolicy(
                f"conflict {quoted(policy)} is not allowed: the operator must set --allow-overwrite"
            )

    def check_address(self, address: IPAddress, is_carried: Callable[[IPAddress], bool]) -> None:
        """Raise `DeniedByPolicy` if this host may not be mapped to; `is_carried` finds addresses of nodes."""
        if is_carried(address) or any(address in network for network in self.addresses):
            return
        raise DeniedByPolicy(
            f"no node has the address {address}: the operator must set --allow-address {address}"
        )

    @property
    def _allowed_ports(self) -> str:
        parts = (
            f"{ports.start}-{ports.stop - 1}" if len(ports) > 1 else str(ports.start) for ports in self.ports
        )
        return f"{', '.join(parts)} (--allow-ports)"


def parse_address(text: str) -> IPAddress:
    """Parse the address of a host. Raise `InvalidSpec` if no gateway can forward to it."""
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        raise InvalidSpec(f"{quoted(text)} is not an IP address") from None
    if address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local:
        raise InvalidSpec(f"{address} is not an address that a gateway can forward to")
    return address


def addresses_of(texts: Sequence[str]) -> list[IPAddress]:
    """Return the addresses among texts."""
    found = []
    for text in texts:
        try:
            found.append(parse_address(text))
        except InvalidSpec:
            continue
    return found
