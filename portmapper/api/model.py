"""The values of the model: mappings, requests, leases and table entries. No I/O here."""

from __future__ import annotations

import enum
import ipaddress
from datetime import datetime

import attrs

from portmapper.support.values import frozen

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
"""The protocol names that a row may use, in upper case, and their protocols."""


class Family(enum.StrEnum):
    """Address family of a mapping. An IPv6 mapping is a pinhole."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"

    @classmethod
    def of(cls, address: IPAddress | IPNetwork) -> Family:
        """Return the family of an address or a network."""
        return _FAMILIES[address.version]

    @property
    def version(self) -> int:
        """IP version number: 4 or 6."""
        return 6 if self is Family.IPV6 else 4


_FAMILIES = {4: Family.IPV4, 6: Family.IPV6}
"""The families by IP version: a lookup takes a third of the time of naming a member."""


class ConflictPolicy(enum.StrEnum):
    """What to do if the requested external port is taken.

    Attributes:
        OWN: replace only our own mapping, also after our address changed.
        NEXT: use another external port, and report it.
        TAKE: replace the mapping of any host, as upnp-daemon does.
        FAIL: replace nothing.
    """

    OWN = "own"
    NEXT = "next"
    TAKE = "take"
    FAIL = "fail"


class MappingState(enum.StrEnum):
    """State of a mapping, as `status` reports it.

    A mapping that is `PAUSED` or `WAITING` is held back: a source lists it, but it is not desired now.
    """

    ACTIVE = "active"
    PENDING = "pending"
    CONFLICT = "conflict"
    REFUSED = "refused"
    FAILED = "failed"
    PAUSED = "paused"
    WAITING = "waiting"


HELD_BACK = (MappingState.PAUSED, MappingState.WAITING)
"""The states of mappings that are not desired now. No count of wanted mappings includes them."""


@frozen
class Mapping:
    """One desired mapping: one protocol, one family, one port. Ranges and `both` are already expanded.

    Attributes:
        protocol: TCP or UDP.
        port: requested external port, 1-65535; `ANY_PORT` lets the gateway choose.
        internal_port: port on the internal host, 1-65535.
        address: the host to map to: None for this host, an address for that host, a network for this host on
            its interface in that network.
        duration: requested lifetime in seconds; 0 for as long as the gateway allows.
        comment: stored on the gateway if the protocol supports it.
        family: IPv4 mapping or IPv6 pinhole.
        conflict: conflict policy of this mapping; None for the default.
        backend: the only backend to use; None for any.
        gateway: address of the only gateway to use; `ALL_GATEWAYS` for every gateway that answers; None for
            the best one, with the default route's gateway first.
        remote: the only hosts that may connect; None for every host.
        same_port: the mapping of the same row for the other protocol must have the same external port.
        when_listening: desired only while a program of this host listens on the internal port.
        until: desired before that time; None for always.
        schedule: desired at these local times, such as `Sat,Sun 18:00-23:59`; empty for always.
        source: location of the source that lists it.
        origin: the object that the source made it for, such as `namespace/name`; empty for none.
        where: position in that source, such as `line 4`.
        written_address: the address as written in the source.
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
    remote: IPNetwork | None = None
    same_port: bool = False
    when_listening: bool = attrs.field(default=False, eq=False)
    until: datetime | None = attrs.field(default=None, eq=False)
    schedule: str = attrs.field(default="", eq=False)
    source: str = ""
    origin: str = ""
    where: str = attrs.field(default="", eq=False)
    written_address: str = attrs.field(default="", eq=False)

    @property
    def key(self) -> MappingKey:
        """Identity of the mapping; it stays the same if the duration or comment changes."""
        return (self.protocol, self.family, self.port, self.address, self.internal_port, self.gateway)


MappingKey = tuple[Protocol, Family, int, IPAddress | IPNetwork | None, int, str | None]


class Trait(enum.StrEnum):
    """What a quirk knows of a device, for the backends that reach it.

    Attributes:
        NEVER_OVERWRITES: it refuses to let one host overwrite the entry of another, so a backend needs not
            look up the holder of a port before it requests the port.
        IGNORES_FILTER: it grants PCP's option FILTER, and then lets every host connect.
    """

    NEVER_OVERWRITES = "never-overwrites"
    IGNORES_FILTER = "ignores-filter"


@frozen
class MapRequest:
    """A request to open or renew a mapping; `Gateway.map` does both.

    Attributes:
        protocol: TCP or UDP.
        internal_address: address of the host that listens; an IPv6 address requests a pinhole.
        internal_port: port that the host listens on.
        external_port: requested external port; `ANY_PORT` for any. For a pinhole it is the internal port,
            regardless of the source, because IPv6 has no port translation.
        lifetime: seconds; 0 for as long as the gateway allows.
        comment: description for the gateway's table.
        token: 12 random bytes, the same in every request for one mapping (the PCP nonce).
        exact: the gateway should refuse the request rather than grant another external port.
        replace: replace the current holder of the port, if the protocol can.
        held: the lease that this request renews or replaces, if any.
        urgent: the port may be closed until this request arrives, so a lost packet is repeated quickly.
        recreate: a renewal alone may not open the port (see `portmapper.api.quirks`). A backend whose
            renewal leaves the entry as it is closes it first.
        traits: what is known of the device, from its quirks.
        remote: the only hosts that may connect, None for every host. Only a gateway that implements
            `RestrictsRemoteHosts` gets such a request.
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
    urgent: bool = False
    recreate: bool = False
    traits: frozenset[Trait] = frozenset()
    remote: IPNetwork | None = None

    @property
    def family(self) -> Family:
        """The family of the internal address."""
        return Family.of(self.internal_address)


@frozen
class Lease:
    """A mapping that a gateway granted.

    Attributes:
        protocol: TCP or UDP.
        internal_address: address that the gateway forwards to.
        internal_port: port that the gateway forwards to.
        external_port: port that the gateway opened.
        external_address: the gateway's external address, None if it did not report one; for a pinhole the
            internal address.
        lifetime: granted lifetime in seconds; 0 if permanent.
        permanent: the lease never expires; portmapper must verify and release it.
        backend: name of the backend that requested it.
        gateway: identity of the gateway that granted it (`Gateway.identity`).
        token: the request's token, needed to renew and release it.
        private: state that only the backend uses, such as a pinhole's id.
        remote: the only hosts that may connect; None for every host.
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
    remote: IPNetwork | None = None

    @property
    def family(self) -> Family:
        """The family of the internal address."""
        return Family.of(self.internal_address)


@frozen
class TableEntry:
    """One entry of a gateway's table, or the holder of a port that we requested.

    Attributes:
        protocol: TCP or UDP.
        external_port: the open port.
        internal_address: address that the gateway forwards to; None if it does not report one.
        internal_port: port that the gateway forwards to; 0 if it does not report one.
        comment: the description in the table.
        lifetime: remaining seconds; 0 if permanent or unknown.
    """

    protocol: Protocol
    external_port: int
    internal_address: IPAddress | None = None
    internal_port: int = 0
    comment: str = ""
    lifetime: int = 0


def remote_text(remote: IPNetwork | None) -> str:
    """Return the remote hosts as lists and messages write them: one address, or a network; empty for all."""
    if remote is None:
        return ""
    return str(remote.network_address) if remote.num_addresses == 1 else str(remote)
