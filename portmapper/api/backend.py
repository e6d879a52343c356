"""The backend interface: open and close ports, plus optional capabilities."""

from __future__ import annotations

import abc
import enum
import functools
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from portmapper.api.model import Family, IPAddress, IPNetwork, Lease, MapRequest, TableEntry
from portmapper.support.values import frozen

if TYPE_CHECKING:
    from portmapper.api.findings import Finding


@frozen
class Target:
    """Where to look for a gateway.

    Attributes:
        local_address: our address on the interface; requests are sent from it. Over IPv6 it is the global
            address that a pinhole is requested for, so each stable address has a separate target.
        interface: name of the interface that has this address, empty if unknown.
        gateway: the gateway's address, or None if the interface has no route to one. Then only a protocol
            that searches by multicast can find the gateway. The address of an IPv6 router is usually
            link-local and includes its zone: `fe80::1%eth0`.
        port: replaces the protocol's server port (5351), None for the standard port.
        url: URL of an IGD description to use directly, without a search.
        chosen: the user named this gateway: only this gateway may answer, even outside the local network.
    """

    local_address: IPAddress
    interface: str = ""
    gateway: IPAddress | None = None
    port: int | None = None
    url: str | None = None
    chosen: bool = False

    @property
    def family(self) -> Family:
        """Address family of the mappings that are requested there."""
        return Family.of(self.local_address)


class GatewayEvent(enum.StrEnum):
    """An event that a gateway announces, or that a backend notices, without a request.

    Attributes:
        RESTARTED: the gateway lost its table; renew every lease on it.
        EXTERNAL_ADDRESS_CHANGED: the external address changed; leases stay valid.
        TABLE_CHANGED: someone else changed the table; verify every lease.
        GONE: the gateway announced that it leaves, or it refuses connections; search for gateways again.
        IDENTIFIED: the gateway was `unread` until now, and has its other attributes only now.
    """

    RESTARTED = "restarted"
    EXTERNAL_ADDRESS_CHANGED = "external address changed"
    TABLE_CHANGED = "table changed"
    GONE = "gone"
    IDENTIFIED = "identified"


@functools.lru_cache(maxsize=64)
def _identity(backend: str, address: IPAddress) -> str:
    # Cached, so that the leases of all objects for one gateway share the same string.
    return f"{backend}:{address}"


class Gateway(abc.ABC):
    """One NAT device as reached through one backend.

    Every method may raise only `BackendError`. It must give up within its own time limit, and a
    cancellation at any point must not leak a socket.

    Attributes:
        backend: the backend's name, such as `pcp`.
        protocol: human-readable name and version, such as `PCP 2` or `IGD 2`.
        address: the gateway's address.
        local_address: our address on the route to the gateway.
        model: the device's own name, empty if it gives none; untrusted text.
        server: the software that the device says it runs, empty if it does not; untrusted text. What one
            protocol reports about a device also applies to the others at the same address.
        location: URL of the description, None if the protocol has none.
        page: URL of the device's own web page, empty if it tells none; untrusted text.
        concurrency: how many requests the gateway handles at once.
        latency: seconds from the probe to its first answer.
        unread: it answered a search, but nothing has needed it so far; see `portmapper.api.ReadsLate`.
        table_age: seconds since the gateway lost its table, at the moment of a `GatewayEvent.RESTARTED`; None
            if it does not tell. With it, the core knows whether two protocols tell of the same restart.
        address_by_grant: the protocol has no request for the external address; the first lease reports it.
        one_per_internal_port: the gateway identifies a mapping by its internal port alone, as PCP and NAT-PMP
            do. The scheduler closes the old external port before it requests another one, because closing
            it later would also close the new one.
    """

    backend: str
    protocol: str
    address: IPAddress
    local_address: IPAddress
    model: str = ""
    server: str = ""
    location: str | None = None
    page: str = ""
    concurrency: int = 4
    latency: float = 0.0
    unread: bool = False
    table_age: float | None = None
    address_by_grant: bool = False
    one_per_internal_port: bool = False

    @functools.cached_property
    def identity(self) -> str:
        """Identifier that stays the same across discoveries; leases are stored under it."""
        return _identity(self.backend, self.address)

    def lease(
        self,
        request: MapRequest,
        *,
        external_port: int,
        lifetime: int,
        external_address: IPAddress | None = None,
        permanent: bool | None = None,
        private: str = "",
    ) -> Lease:
        """Return the lease that this gateway granted for a request.

        Args:
            request: the request that was granted.
            external_port: the port that the gateway opened.
            lifetime: the granted lifetime in seconds.
            external_address: the gateway's external address, if the answer contains it.
            permanent: whether the lease never expires; by default if `lifetime` is 0.
            private: what only the backend understands; it is stored with the lease.
        """
        return Lease(
            protocol=request.protocol,
            internal_address=request.internal_address,
            internal_port=request.internal_port,
            external_port=external_port,
            external_address=external_address,
            lifetime=lifetime,
            permanent=lifetime == 0 if permanent is None else permanent,
            backend=self.backend,
            gateway=self.identity,
            token=request.token,
            private=private,
            remote=request.remote,
        )

    @abc.abstractmethod
    async def map(self, request: MapRequest) -> Lease:
        """Create the mapping, or renew it if `request.held` is ours. Repeating the call is safe."""

    @abc.abstractmethod
    async def unmap(self, lease: Lease) -> None:
        """Release a lease. An entry that no longer exists counts as released."""

    @abc.abstractmethod
    async def external_address(self) -> IPAddress | None:
        """Return the external address, or None if there is none or the protocol cannot query it."""

    async def close(self) -> None:  # noqa: B027 - a gateway without resources need not override it
        """Close sockets and cancel tasks. Leases stay open."""


class Backend(abc.ABC):
    """A plugin that speaks one port mapping protocol.

    Attributes:
        name: short, lower case, as given to `--backend`.
        rank: order of preference, lower first; the standard backends have 10, 20 and 30.
        families: the address families that it supports. It gets targets of these families only: IPv4
            mappings go to gateways found at IPv4 targets, and pinholes to gateways found at IPv6 targets.
            For a pinhole, the gateway's `local_address` is the target's, the request's `internal_address`
            is IPv6, and the external port equals the internal port. The lease's external address is the
            internal address. If this host has two IPv6 addresses, one gateway may have two gateway objects
            with the same `identity`.
    """

    name: ClassVar[str]
    rank: ClassVar[int] = 100
    families: ClassVar[frozenset[Family]] = frozenset({Family.IPV4})

    @abc.abstractmethod
    def discover(self, target: Target) -> AsyncIterator[Gateway]:
        """Yield each gateway that answers at the target, and end when no more answers can arrive.

        If nothing answers, the iterator ends without yielding; that is not an error. Raise `BackendError`
        if the reason is known (refused, not an IGD). Closing the iterator stops the search.
        """

    async def close(self) -> None:  # noqa: B027 - a backend without resources need not override it
        """Free resources that the gateways share."""


class EndsSearch(abc.ABC):
    """Capability of a backend: end a search early, because another protocol of the gateway has answered."""

    @abc.abstractmethod
    def end_search(self, target: Target, patience: float) -> None:
        """End the search of a target once it has listened for `patience` seconds from now."""


class PartialTable(tuple[TableEntry, ...]):
    """The entries of a table that could not be read to its end."""

    __slots__ = ()


class ListsMappings(abc.ABC):
    """Capability: read the gateway's whole table."""

    @abc.abstractmethod
    async def list_mappings(self) -> Sequence[TableEntry]:
        """Return every entry, including those of other hosts; at most 65 536.

        Return a `PartialTable` if the gateway fails after some of them.
        """


class VerifiesLeases(abc.ABC):
    """Capability: check whether a lease is still in effect, for gateways that lose leases."""

    @abc.abstractmethod
    async def holds(self, lease: Lease) -> bool:
        """Return whether the gateway's table has this lease with our address and port."""


class ChecksTable(abc.ABC):
    """Capability of a gateway that verifies leases: find out cheaply whether any has to be verified.

    Then the core asks once an interval, and verifies all leases only after a positive answer. A gateway that
    watches itself reports `GatewayEvent.TABLE_CHANGED` in between.
    """

    @abc.abstractmethod
    async def table_may_have_changed(self) -> bool:
        """Return whether the table may have changed since the last call, except for our own requests."""


class WatchesGateway(abc.ABC):
    """Capability: report restarts and address changes without polling."""

    @abc.abstractmethod
    async def watch(self, notify: Callable[[GatewayEvent], None]) -> None:
        """Start watching and return. `notify` is called on the event loop for each event until `close`."""


class MapsOtherHosts(abc.ABC):  # noqa: B024 - a marker: `map` itself takes the other address
    """Capability: `map` also accepts the internal address of another host."""


class RestrictsRemoteHosts(abc.ABC):
    """Capability: `map` also accepts `MapRequest.remote`, and refuses if it cannot enforce it.

    Attributes:
        restriction_is_checked: the gateway's table shows whether the restriction is in effect. Such a gateway
            is asked first.
    """

    restriction_is_checked: ClassVar[bool] = False

    @abc.abstractmethod
    def can_restrict_to(self, remote: IPNetwork) -> bool:
        """Return whether the protocol can name these remote hosts."""


class Diagnoses(abc.ABC):
    """Capability of a backend: report problems at a target that only its protocol can detect.

    Attributes:
        diagnosis_takes_long: it takes seconds, so `doctor` runs it only for a detailed report.
    """

    diagnosis_takes_long: ClassVar[bool] = False

    @abc.abstractmethod
    async def diagnose(self, target: Target) -> Sequence[Finding]:
        """Return findings, including checks that passed. Raise only `BackendError`.

        `doctor` calls it in parallel with discovery. Send only a few packets to the target's gateway.
        """
