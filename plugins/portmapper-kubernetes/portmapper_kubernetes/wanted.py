"""One port that an object wants open, after all checks."""

from __future__ import annotations

import attrs

from portmapper.api import DEFAULT_DURATION, Family, IPAddress, Protocol, Row
from portmapper_kubernetes.objects import Reference
from portmapper_kubernetes.times import Times

ANY = "any"


@attrs.frozen
class Wanted:
    """One port, protocol and family.

    Attributes:
        reference: the object.
        label: name of the port in messages.
        protocol: TCP or UDP.
        family: IPv4 mapping or IPv6 pinhole.
        external: external port, or `any`.
        internal_port: port on the internal host.
        address: the internal host; None for the host that runs portmapper.
        comment: for the gateway's table.
        lifetime: requested lifetime in seconds.
        conflict: conflict policy, empty for the default.
        times: when the port is open.
    """

    reference: Reference
    label: str
    protocol: Protocol
    family: Family
    external: int | str
    internal_port: int
    address: IPAddress | None
    comment: str
    lifetime: int = DEFAULT_DURATION
    conflict: str = ""
    times: Times = attrs.field(factory=Times)

    @property
    def claim(self) -> tuple[Family, Protocol, int | str, object]:
        """What only one object can have: an external port, or a pinhole to one address."""
        where = self.address if self.family is Family.IPV6 else None
        # Ports that the gateway chooses never collide, so each is a separate claim.
        chosen = (self.reference.origin, self.label) if self.external == ANY else where
        return (self.family, self.protocol, self.external, chosen)

    @property
    def row(self) -> Row:
        """The row for portmapper."""
        fields: dict[str, object] = {
            "port": self.external,
            "protocol": self.protocol.value,
            "internal_port": self.internal_port,
            "family": self.family.value,
            "duration": self.lifetime,
            "comment": self.comment,
            **self.times.fields,
        }
        if self.address is not None:
            fields["address"] = str(self.address)
        if self.conflict:
            fields["conflict"] = self.conflict
        reference = self.reference
        place = f"{reference.kind} {reference.namespace}/{reference.name}, port {self.label}"
        name = f"{place}, {self.protocol.lower()}, {self.family.value}"
        return Row(fields, name, f"{place}, {{}}", origin=reference.origin)
