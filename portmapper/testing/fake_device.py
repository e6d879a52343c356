"""A NAT device in memory whose behavior a test controls."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import deque
from collections.abc import Callable

import attrs

from portmapper.api.backend import Gateway, GatewayEvent
from portmapper.api.errors import BackendError, Conflict, GatewayTimeout, NotAuthorized
from portmapper.api.model import IPAddress, Lease, MapRequest, Protocol, TableEntry
from portmapper.support.clock import Clock

GATEWAY = ipaddress.ip_address("192.168.88.1")
EXTERNAL_ADDRESS = ipaddress.ip_address("203.0.113.7")

Port = tuple[Protocol, int]


@attrs.frozen
class DeviceMapping:
    """One mapping in a device's table.

    Attributes:
        internal_address, internal_port: the internal host and port.
        expires_at: the expiry in monotonic seconds, None for never.
        token: the token of the request that created it.
        comment: the requested comment.
    """

    internal_address: IPAddress
    internal_port: int
    expires_at: float | None = None
    token: bytes = b""
    comment: str = ""


@attrs.define(eq=False)
class FakeDevice:
    """A NAT device. Changed attributes take effect with the next request.

    Attributes:
        clock: the clock by which leases expire.
        address: its internal address.
        external: its external address.
        table: the open mappings, by protocol and external port.
        calls: the requests it received, in order, as (backend, verb, request or lease).
        deleted: the mappings that a request closed or replaced, as (port, mapping).
        silent: if true, it answers neither searches nor requests.
        hangs: if true, requests wait forever, as if the backend had no time limit.
        refusals: the error for every request, by requested external port.
        answers: errors for the next map requests, one each; None for a normal answer.
        release_error: an error for every release.
        loses_answers: if true, it executes map requests, but the answers are lost.
        forgets: returns for a granted lease whether the device does not store it.
        other_port: if set, the port that it grants instead of the requested one.
        longest: the longest lifetime that it grants, in seconds.
        permanent_only: if true, it grants only permanent leases.
        names_holder: if true, a conflict names the holder of the port.
        one_per_internal_port: if true, it allows one mapping per internal port, which only the token that
            created it may change, like PCP and NAT-PMP servers.
        lie: changes a granted lease before it is returned.
    """

    clock: Clock
    address: IPAddress = GATEWAY
    external: IPAddress | None = EXTERNAL_ADDRESS
    table: dict[Port, DeviceMapping] = attrs.field(factory=dict)
    calls: list[tuple[str, str, MapRequest | Lease]] = attrs.field(factory=list)
    deleted: list[tuple[Port, DeviceMapping]] = attrs.field(factory=list)
    silent: bool = False
    hangs: bool = False
    refusals: dict[int, BackendError] = attrs.field(factory=dict)
    answers: deque[Exception | None] = attrs.field(factory=deque)
    release_error: BackendError | None = None
    loses_answers: bool = False
    forgets: Callable[[Lease], bool] = lambda lease: False
    other_port: int | None = None
    longest: int = 2**32 - 1
    permanent_only: bool = False
    names_holder: bool = True
    one_per_internal_port: bool = False
    lie: Callable[[Lease], Lease] = lambda lease: lease
    _notify: list[Callable[[GatewayEvent], None]] = attrs.field(factory=list)

    # Methods for tests

    def announce(self, event: GatewayEvent) -> None:
        """Send an event to all subscribers, over every protocol."""
        for notify in tuple(self._notify):
            notify(event)

    def restart(self, announced: bool = True) -> None:
        """Clear the table, and announce the restart if `announced`."""
        self.table.clear()
        if announced:
            self.announce(GatewayEvent.RESTARTED)

    def occupy(
        self, protocol: Protocol, port: int, address: IPAddress, internal_port: int = 0
    ) -> DeviceMapping:
        """Add a permanent mapping for another host."""
        mapping = self.table[protocol, port] = DeviceMapping(address, internal_port or port)
        return mapping

    def open_ports(self) -> set[Port]:
        """Return the open ports; remove expired mappings from the table."""
        now = self.clock.monotonic()
        for port, mapping in tuple(self.table.items()):
            if mapping.expires_at is not None and mapping.expires_at <= now:
                del self.table[port]
        return set(self.table)

    def mapping_at(self, port: Port) -> DeviceMapping | None:
        """Return the mapping of this port, None if there is none or it has expired."""
        mapping = self.table.get(port)
        if (
            mapping is not None
            and mapping.expires_at is not None
            and mapping.expires_at <= self.clock.monotonic()
        ):
            del self.table[port]
            return None
        return mapping

    def requested(self, verb: str = "map") -> list[MapRequest | Lease]:
        """Return the requests received for one verb, in order."""
        return [subject for _, called, subject in self.calls if called == verb]

    # Methods for gateways

    def watch(self, notify: Callable[[GatewayEvent], None]) -> None:
        """Call `notify` for every event from now on."""
        self._notify.append(notify)

    def unwatch(self, notify: Callable[[GatewayEvent], None] | None) -> None:
        """Stop calling `notify`."""
        if notify in self._notify:
            self._notify.remove(notify)

    async def answer(self) -> None:
        """Wait forever if `hangs`, raise a timeout if `silent`."""
        await asyncio.sleep(0)
        if self.hangs:
            await asyncio.Event().wait()
        if self.silent:
            raise GatewayTimeout("no answer")

    async def map(self, gateway: Gateway, request: MapRequest) -> Lease:
        """Grant or refuse a mapping."""
        self.calls.append((gateway.backend, "map", request))
        await self.answer()
        scripted = self.answers.popleft() if self.answers else self.refusals.get(request.external_port)
        if scripted is not None:
            raise scripted
        port = self._port_for(request)
        lifetime = 0 if self.permanent_only else min(request.lifetime, self.longest)
        lease = gateway.lease(request, external_port=port, lifetime=lifetime)
        if not self.forgets(lease):
            self._hold(lease, request.comment)
        if self.loses_answers:
            raise GatewayTimeout("the answer was lost")
        return self.lie(lease)

    async def unmap(self, gateway: Gateway, lease: Lease) -> None:
        """Close the mapping of this lease; keep a mapping of another host on its port."""
        self.calls.append((gateway.backend, "unmap", lease))
        await self.answer()
        if self.release_error is not None:
            raise self.release_error
        if self.holds(lease):
            port = (lease.protocol, lease.external_port)
            self.deleted.append((port, self.table.pop(port)))

    def holds(self, lease: Lease) -> bool:
        """Return whether the table has the mapping of this lease."""
        mapping = self.mapping_at((lease.protocol, lease.external_port))
        if mapping is None:
            return False
        return (mapping.internal_address, mapping.internal_port) == (
            lease.internal_address,
            lease.internal_port,
        )

    def entries(self) -> list[TableEntry]:
        """Return the table as table entries of a gateway."""
        self.open_ports()
        return [_entry(port, mapping) for port, mapping in self.table.items()]

    def _hold(self, lease: Lease, comment: str) -> None:
        port = (lease.protocol, lease.external_port)
        expires_at = None if lease.permanent else self.clock.monotonic() + lease.lifetime
        old = self.table.get(port)
        new = DeviceMapping(lease.internal_address, lease.internal_port, expires_at, lease.token, comment)
        if old is not None and old.internal_address != new.internal_address:
            self.deleted.append((port, old))
        self.table[port] = new

    def _port_for(self, request: MapRequest) -> int:
        if self.one_per_internal_port and (existing := self._existing_port(request)) is not None:
            return existing
        port = self.other_port or request.external_port or request.internal_port
        holder = self.mapping_at((request.protocol, port))
        free = holder is None or (holder.internal_address, holder.internal_port) == (
            request.internal_address,
            request.internal_port,
        )
        if free or (request.replace and not self.one_per_internal_port):
            return port
        assert holder is not None
        if request.exact:
            entry = _entry((request.protocol, port), holder) if self.names_holder else None
            raise Conflict(f"port {port} is taken", holder=entry)
        return next(other for other in range(port + 1, 65536) if (request.protocol, other) not in self.table)

    def _existing_port(self, request: MapRequest) -> int | None:
        """Return the external port that is already mapped to the request's internal port, if any."""
        self.open_ports()
        for (protocol, port), mapping in self.table.items():
            internal = (protocol, mapping.internal_address, mapping.internal_port)
            if internal == (request.protocol, request.internal_address, request.internal_port):
                if mapping.token != request.token:
                    raise NotAuthorized("the mapping has another nonce")
                return port
        return None


def _entry(port: Port, mapping: DeviceMapping) -> TableEntry:
    return TableEntry(*port, mapping.internal_address, mapping.internal_port, mapping.comment)
