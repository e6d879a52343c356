"""The values everything else speaks of: mappings, leases, gateways' facts. No input or output here."""

from __future__ import annotations

import enum
import ipaddress

import attrs

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

DEFAULT_DURATION = 3600
MAX_DURATION = 2**32 - 1
ANY_PORT = 0
ALL_GATEWAYS = "all"


class Protocol(enum.StrEnum):
    """A transport protocol that gateways map."""

    TCP = "TCP"
    UDP = "UDP"


PROTOCOLS = {
    "TCP": (Protocol.TCP,),
    "UDP": (Protocol.UDP,),
    "BOTH": (Protocol.TCP, Protocol.UDP),
}
"""The words for a row's protocol, in upper case, and what each stands for."""


class Family(enum.StrEnum):
    """The address family of a mapping; an IPv6 one is a pinhole."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"

    @classmethod
    def of(cls, address: IPAddress | IPNetwork) -> Family:
        """Return the family of an address or a network."""
        return cls.IPV6 if address.version == 6 else cls.IPV4

    @property
    def version(self) -> int:
        """The version number of its Internet Protocol."""
        return 6 if self is Family.IPV6 else 4


class ConflictPolicy(enum.StrEnum):
    """What to do when the wanted external port is not to be had.

    Attributes:
        OWN: replace only what is ours, also when our address changed.
        NEXT: take another external port, and report it.
        TAKE: replace whoever holds it, as upnp-daemon does.
        FAIL: replace nothing.
    """

    OWN = "own"
    NEXT = "next"
    TAKE = "take"
    FAIL = "fail"


class MappingState(enum.StrEnum):
    """Where a wanted mapping stands, as `status` reports it."""

    ACTIVE = "active"
    PENDING = "pending"
    CONFLICT = "conflict"
    REFUSED = "refused"
    FAILED = "failed"


class ExternalKind(enum.StrEnum):
    """What sort of external address a gateway reports."""

    PUBLIC = "public"
    PRIVATE = "private"
    CGNAT = "cgnat"
    NONE = "none"


@attrs.frozen
class Mapping:
    """One wanted mapping: one protocol, one family, one port. Ranges and `both` are spread before.

    Attributes:
        protocol: TCP or UDP.
        port: wanted external port, 1-65535; `ANY_PORT` takes whatever the gateway gives.
        internal_port: port on the internal host, 1-65535.
        address: whom for: None is this host, an address is that host, a network is this host on an
            interface that lies in it.
        duration: wanted lifetime in seconds; 0 is as long as the gateway will.
        comment: stored on the gateway where the protocol can.
        family: IPv4 mapping or IPv6 pinhole.
        conflict: policy of this mapping; None is the run's default.
        backend: the only backend allowed; None is any.
        gateway: address of the only gateway that is asked; `ALL_GATEWAYS` keeps it open on every one
            that answers; None is the best one, that of the default route first.
        source: location of the source that listed it.
        where: its place in that source, such as `line 4`.
        written_address: the address as the source wrote it.
    """

    protocol: Protocol
    port: int
    internal_port: int
    address: IPAddress | IPNetwork | None = None
    duration: int = DEFAULT_DURATION
    comment: str = ""
    family: Family = Family.IPV4
    conflict: ConflictPolicy | None = None
    backend: str | None = None
    gateway: str | None = None
    source: str = ""
    where: str = attrs.field(default="", eq=False)
    written_address: str = attrs.field(default="", eq=False)

    @property
    def key(self) -> MappingKey:
        """What makes it the same mapping when its duration or comment is edited."""
        return (self.protocol, self.family, self.port, self.address, self.internal_port, self.gateway)


MappingKey = tuple[Protocol, Family, int, IPAddress | IPNetwork | None, int, str | None]


@attrs.frozen
class MapRequest:
    """What a backend is asked to open, or to renew: the two are one verb.

    Attributes:
        protocol: TCP or UDP.
        internal_address: address of the host that listens; an IPv6 one asks for a pinhole.
        internal_port: port it listens on.
        external_port: wanted external port; `ANY_PORT` for any. Of a pinhole it is the internal port,
            whatever the source wrote: nothing is translated.
        lifetime: seconds; 0 is as long as the gateway will.
        comment: description for the gateway's table.
        token: 12 random bytes, the same for every request of one mapping (the PCP nonce).
        exact: the gateway should refuse rather than grant another external port.
        replace: take the port from whoever holds it, where the protocol can.
        held: the lease that this request renews or replaces, if any.
        anew: what was done at the other protocol of the port may have closed this one, so that it is urgent;
            where the gateway is known for that and its renewal would not open the port again, close it first.
    """

    protocol: Protocol
    internal_address: IPAddress
    internal_port: int
    external_port: int
    lifetime: int = DEFAULT_DURATION
    comment: str = ""
    token: bytes = b""
    exact: bool = False
    replace: bool = False
    held: Lease | None = None
    anew: bool = False

    @property
    def family(self) -> Family:
        """The family of the internal address."""
        return Family.of(self.internal_address)


@attrs.frozen
class Lease:
    """What a gateway granted.

    Attributes:
        protocol: TCP or UDP.
        internal_address: address the gateway forwards to.
        internal_port: port the gateway forwards to.
        external_port: port the gateway opened.
        external_address: the gateway's outside address, None where it did not say; of a pinhole the
            internal address.
        lifetime: granted seconds; 0 when permanent.
        permanent: it never expires by itself and must be verified and released by us.
        backend: name of the backend that holds it.
        gateway: identity of the gateway that granted it (`Gateway.identity`).
        token: the request's token, needed to renew and to release.
        private: what only the backend understands, such as a pinhole's id.
    """

    protocol: Protocol
    internal_address: IPAddress
    internal_port: int
    external_port: int
    external_address: IPAddress | None
    lifetime: int
    permanent: bool
    backend: str
    gateway: str
    token: bytes = b""
    private: str = ""

    @property
    def family(self) -> Family:
        """The family of the internal address."""
        return Family.of(self.internal_address)


@attrs.frozen
class TableEntry:
    """One row of a gateway's own table, or the holder of a port that we wanted.

    Attributes:
        protocol: TCP or UDP.
        external_port: the open port.
        internal_address: who gets the packets; None where the gateway does not tell.
        internal_port: on which port; 0 where the gateway does not tell.
        comment: the description in the table.
        lifetime: remaining seconds; 0 when permanent or unknown.
    """

    protocol: Protocol
    external_port: int
    internal_address: IPAddress | None = None
    internal_port: int = 0
    comment: str = ""
    lifetime: int = 0


_CGNAT = ipaddress.ip_network("100.64.0.0/10")


def external_kind(address: IPAddress | None) -> ExternalKind:
    """Classify an external address: CGNAT is RFC 6598's 100.64/10."""
    if address is None or address.is_unspecified or address.is_loopback or address.is_multicast:
        return ExternalKind.NONE
    if address.version == 4 and address in _CGNAT:
        return ExternalKind.CGNAT
    return ExternalKind.PUBLIC if address.is_global else ExternalKind.PRIVATE
