"""The lease that `open` returns: a port that stays open until it is closed."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Callable
from collections.abc import Mapping as AnyMapping
from typing import Protocol as Interface

import attrs

from portmapper.api.events import Event, EventKind
from portmapper.api.model import IPAddress, Mapping
from portmapper.client.changes import Changes
from portmapper.scheduler.record import Record
from portmapper.support.text import endpoint
from portmapper.support.wording import protocol_name

GATEWAY_EVENTS = (EventKind.GATEWAY_RESTARTED, EventKind.GATEWAY_LOST, EventKind.EXTERNAL_ADDRESS_CHANGED)
"""Events of a gateway that concern every lease on it."""


class LeaseState(enum.StrEnum):
    """State of a lease.

    Attributes:
        ACTIVE: the port is open.
        PENDING: the client tries to open the port, or to confirm that it is still open.
        CONFLICT: another host holds the port; the client tries again later.
        REFUSED: the gateway refused; the client tries again later.
        FAILED: no gateway answered; the client tries again later.
        CLOSED: you closed the lease, or its client ended.
    """

    ACTIVE = "active"
    PENDING = "pending"
    CONFLICT = "conflict"
    REFUSED = "refused"
    FAILED = "failed"
    CLOSED = "closed"


class Owner(Interface):
    """What a lease needs of its client."""

    def _records_of(self, mapping: Mapping) -> list[Record]: ...

    def _external(self, gateway: str) -> IPAddress | None: ...

    def _is_shared(self, lease: Lease) -> bool: ...

    async def close(self, lease: Lease) -> None:
        """Close one lease."""


class Lease:
    """A port that stays open until you close it or its client ends.

    If it is open on several gateways, the properties describe the best gateway that holds it.
    `endpoints` lists every gateway.

    Attributes:
        mapping: the requested mapping.
        is_closed: whether you closed the lease, or its client ended.
    """

    def __init__(
        self, client: Owner, mapping: Mapping, on_change: Callable[[Lease, Event], object] | None
    ) -> None:
        """Create the lease; `Client.open` does."""
        self.mapping = mapping
        self.is_closed = False
        self._client = client
        self._last: list[Record] = []
        callback = None if on_change is None else (lambda event: on_change(self, event))
        self._changes = Changes(self._port, callback)

    @property
    def _entries(self) -> list[Record]:
        """The state on each gateway; after the end, the last known state without a lease."""
        now = [] if self.is_closed else self._client._records_of(self.mapping)
        self._last = now or [attrs.evolve(record, lease=None) for record in self._last]
        return self._last

    @property
    def _entry(self) -> Record:
        entries = self._entries or [Record(self.mapping)]
        return next((entry for entry in entries if entry.lease), entries[0])

    @property
    def endpoints(self) -> AnyMapping[str, tuple[IPAddress | None, int]]:
        """The external address and port on each gateway that holds the mapping, by gateway address."""
        leases = [entry.lease for entry in self._entries if entry.lease]
        return {
            lease.gateway.partition(":")[2]: (
                lease.external_address or self._client._external(lease.gateway),
                lease.external_port,
            )
            for lease in leases
        }

    @property
    def state(self) -> LeaseState:
        """The current state."""
        return LeaseState.CLOSED if self.is_closed else LeaseState(self._entry.state.value)

    @property
    def error(self) -> str | None:
        """The reason why the port is not open or cannot be renewed; None if there is no error."""
        return None if self.is_closed else self._entry.error

    @property
    def is_shared(self) -> bool:
        """Whether other leases of this client use the same port; closing one of them leaves it open."""
        return not self.is_closed and self._client._is_shared(self)

    @property
    def external_port(self) -> int | None:
        """The external port; None while the mapping is not open."""
        return self._entry.lease.external_port if self._entry.lease else None

    @property
    def external_address(self) -> IPAddress | None:
        """The gateway's external address; None while it is not known."""
        lease = self._entry.lease
        return (lease.external_address or self._client._external(lease.gateway)) if lease else None

    @property
    def internal_address(self) -> IPAddress | None:
        """The host that the port leads to; None while the mapping is not open."""
        return self._entry.lease.internal_address if self._entry.lease else None

    @property
    def internal_port(self) -> int:
        """The port that the host listens on."""
        return self.mapping.internal_port

    @property
    def lifetime(self) -> int | None:
        """The granted lifetime in seconds, 0 without an end; None while the mapping is not open."""
        return self._entry.lease.lifetime if self._entry.lease else None

    @property
    def backend(self) -> str | None:
        """The backend that holds the lease: `pcp`, `natpmp`, `upnp` or the name of a plugin's backend."""
        return self._entry.lease.backend if self._entry.lease else None

    @property
    def gateway(self) -> str | None:
        """The address of the gateway that holds the lease; None while the mapping is not open."""
        return self._entry.lease.gateway.partition(":")[2] if self._entry.lease else None

    def changes(self) -> AsyncIterator[Event]:
        """Return the changes from now on, except for renewals; the iterator ends when the lease is closed."""
        return self._changes.read()

    async def close(self) -> None:
        """Close the port; closing it twice is allowed. If the gateway does not answer, the lease expires.

        If another lease of the client shares the port, the port stays open until that one is closed.
        """
        await self._client.close(self)

    def __repr__(self) -> str:
        """Return the port, the state, and where it is open."""
        where = ""
        lease = self._entry.lease
        if lease is not None:
            address = lease.external_address or self._client._external(lease.gateway)
            outside = endpoint(address, lease.external_port)
            inside = endpoint(lease.internal_address, lease.internal_port)
            where = f": {outside} → {inside} over {protocol_name(self.backend or '')} on {self.gateway}"
        return f"<Lease {self._port} {self.state}{where or (f': {self.error}' if self.error else '')}>"

    @property
    def _port(self) -> str:
        return f"{self.mapping.port or 'any'}/{self.mapping.protocol.lower()}"

    def _is_concerned(self, event: Event) -> bool:
        if event.kind is EventKind.RENEWED:
            return False
        if event.protocol is None:
            return event.kind in GATEWAY_EVENTS and event.gateway == self.gateway
        mapping = self.mapping
        wanted = (mapping.protocol, mapping.port, mapping.internal_port, mapping.family)
        if (event.protocol, event.wanted_external_port, event.internal_port, event.family) != wanted:
            return False
        return mapping.address in (None, event.internal_address) or event.internal_address is None
