"""What a backend is: a small interface to open ports, and optional abilities beside it."""

from __future__ import annotations

import abc
import enum
import functools
from collections.abc import AsyncIterator, Callable, Sequence
from typing import ClassVar

import attrs

from portmapper.api.findings import Finding
from portmapper.api.model import Family, IPAddress, Lease, MapRequest, TableEntry


@attrs.frozen
class Target:
    """Where to look for a gateway.

    Attributes:
        local_address: our own address on that side; requests leave from it. Over IPv6 it is the global
            address that a pinhole is asked for, so each stable address has a target of its own.
        interface: name of the interface that carries it, empty when unknown.
        gateway: the gateway's address, None when the interface has no route to one (only a protocol
            that searches by multicast can find it then). An IPv6 router's is mostly link-local, and
            carries its zone: `fe80::1%eth0`.
        port: replaces the protocol's own server port (5351), None for the standard one.
        url: an IGD description to use as it is; searches nothing.
        chosen: the user named this gateway, so that only it may answer, wherever it lies.
    """

    local_address: IPAddress
    interface: str = ""
    gateway: IPAddress | None = None
    port: int | None = None
    url: str | None = None
    chosen: bool = False

    @property
    def family(self) -> Family:
        """The family that is asked for there."""
        return Family.of(self.local_address)


class GatewayEvent(enum.StrEnum):
    """What a gateway can tell, or let us see, without being asked.

    Attributes:
        RESTARTED: it lost its table; every lease there must be renewed.
        EXTERNAL_ADDRESS_CHANGED: leases stay, the outside address is another.
        GONE: it said goodbye, or refuses connections; look for gateways again.
    """

    RESTARTED = "restarted"
    EXTERNAL_ADDRESS_CHANGED = "external address changed"
    GONE = "gone"


@functools.lru_cache(maxsize=64)
def _identity(backend: str, address: IPAddress) -> str:
    """Write it once: each mapping asks for it a dozen times, and its lease holds the very text."""
    return f"{backend}:{address}"


class Gateway(abc.ABC):
    """One NAT device as one backend reaches it.

    Every method may raise a `BackendError` and nothing else, gives up within its own time bound,
    and may be cancelled at any point without leaking a socket.

    Attributes:
        backend: the backend's name, such as `pcp`.
        protocol: for people, such as `PCP 2` or `IGD 2`.
        address: the gateway's address.
        local_address: our address towards it.
        model: what the device calls itself, empty when it does not; untrusted text.
        location: description URL, None where the protocol has none.
        concurrency: how many requests it bears at once.
        latency: seconds from the question to its first answer.
        address_by_grant: there is no question for the outside address; the first grant tells it.
        one_per_internal_port: it knows a mapping by its internal port alone, as PCP and NAT-PMP do. Another
            external port for it is asked for when the former one is closed; closed later, it would take the
            new one along.
    """

    backend: str
    protocol: str
    address: IPAddress
    local_address: IPAddress
    model: str = ""
    location: str | None = None
    concurrency: int = 4
    latency: float = 0.0
    address_by_grant: bool = False
    one_per_internal_port: bool = False

    @property
    def identity(self) -> str:
        """What stays the same when it is discovered again; the store knows it by this."""
        return _identity(self.backend, self.address)

    @abc.abstractmethod
    async def map(self, request: MapRequest) -> Lease:
        """Create the mapping, or renew it when `request.held` is ours: one verb, safe to repeat."""

    @abc.abstractmethod
    async def unmap(self, lease: Lease) -> None:
        """Close it; an entry that is gone already is a success."""

    @abc.abstractmethod
    async def external_address(self) -> IPAddress | None:
        """Tell the outside address, None when there is none or the protocol has no question for it."""

    async def close(self) -> None:  # noqa: B027 - a gateway without resources need not override it
        """Free sockets and tasks; leases stay."""


class Backend(abc.ABC):
    """A plugin that speaks one port mapping protocol.

    Attributes:
        name: short and lower case, as `--backend` takes it.
        rank: order of preference, lower first; the standard ones are 10, 20 and 30.
        families: the families that it opens ports for. It is never asked about targets of another one:
            IPv4 mappings go to gateways that it found at IPv4 targets, and pinholes to those that it
            found at IPv6 targets. There the gateway's `local_address` is the target's, a request's
            `internal_address` is IPv6, and its external port is its internal one; the lease has the
            internal address as its external one. Two addresses of this host may have a gateway object
            each for one gateway: both have the same `identity`.
    """

    name: ClassVar[str]
    rank: ClassVar[int] = 100
    families: ClassVar[frozenset[Family]] = frozenset({Family.IPV4})

    @abc.abstractmethod
    def discover(self, target: Target) -> AsyncIterator[Gateway]:
        """Yield each gateway that answers there, and end when no further answer can come.

        Silence is no error: the iterator ends without a yield. A `BackendError` says why there is
        none where that is known (refused, not an IGD). Closing the iterator stops the search.
        """

    async def close(self) -> None:  # noqa: B027 - a backend without resources need not override it
        """Free what the gateways shared."""


class ListsMappings(abc.ABC):
    """Ability: read the gateway's whole table."""

    @abc.abstractmethod
    async def list_mappings(self) -> Sequence[TableEntry]:
        """Return every entry, other hosts' too; at most 65 536."""


class VerifiesLeases(abc.ABC):
    """Ability: ask whether a lease still stands, for gateways that lose or never hold them."""

    @abc.abstractmethod
    async def holds(self, lease: Lease) -> bool:
        """Tell whether the gateway's table has this lease, for our address and port."""


class WatchesGateway(abc.ABC):
    """Ability: notice restarts and address changes without asking."""

    @abc.abstractmethod
    async def watch(self, notify: Callable[[GatewayEvent], None]) -> None:
        """Call `notify` from the event loop at each event until `close`; returns at once."""


class MapsOtherHosts(abc.ABC):  # noqa: B024 - a marker: `map` itself takes the other address
    """Ability: `map` also accepts an internal address that is not ours."""


class Diagnoses(abc.ABC):
    """Ability of a backend: tell what only its protocol can see at a target."""

    @abc.abstractmethod
    async def diagnose(self, target: Target) -> Sequence[Finding]:
        """Look and tell, what is well too; raises nothing but a `BackendError`.

        It is asked beside the discovery, and sends no more than a few packets to the target's gateway.
        """
