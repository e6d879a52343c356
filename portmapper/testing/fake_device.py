"""A NAT device in memory that does as the test says."""

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
OUTSIDE = ipaddress.ip_address("203.0.113.7")

Port = tuple[Protocol, int]


@attrs.frozen
class Hole:
    """One row of a device's table.

    Attributes:
        internal_address, internal_port: where it leads.
        expires_at: monotonic seconds, None for never.
        token: of the request that made it.
        comment: as asked for.
    """

    internal_address: IPAddress
    internal_port: int
    expires_at: float | None = None
    token: bytes = b""
    comment: str = ""


@attrs.define(eq=False)
class FakeDevice:
    """A NAT device. Change its attributes, and it behaves so from then on.

    Attributes:
        clock: by which its leases run out.
        address: its inside address.
        external: its outside address.
        table: what is open.
        calls: what it was asked, in order, as (protocol spoken, verb, request or lease).
        deleted: what a request closed or replaced, as (port, hole).
        silent: it answers nothing any more, neither searches nor requests.
        hangs: requests are never answered, and the backend has no bound of its own.
        refusals: external port to the answer for every request of it.
        answers: raised by the next requests to map, one each, None being an ordinary answer.
        release_error: raised by every request to release.
        loses_answers: it does what it is asked, and the answer is lost.
        forgets: it grants finite leases, or all of them, and holds none.
        other_port: granted in place of every wanted one.
        longest: the lifetime that it grants at most, in seconds.
        permanent_only: it grants nothing else.
        names_holder: a conflict tells who holds the port.
        one_per_internal_port: as PCP and NAT-PMP servers do, and only for the token that made it.
        lie: what it does to a lease before it hands it out.
    """

    clock: Clock
    address: IPAddress = GATEWAY
    external: IPAddress | None = OUTSIDE
    table: dict[Port, Hole] = attrs.field(factory=dict)
    calls: list[tuple[str, str, MapRequest | Lease]] = attrs.field(factory=list)
    deleted: list[tuple[Port, Hole]] = attrs.field(factory=list)
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

    # What a test does to it

    def tell(self, event: GatewayEvent) -> None:
        """Tell whoever watches, over every protocol."""
        for notify in tuple(self._notify):
            notify(event)

    def restart(self, announced: bool = True) -> None:
        """Lose the table."""
        self.table.clear()
        if announced:
            self.tell(GatewayEvent.RESTARTED)

    def occupy(self, protocol: Protocol, port: int, address: IPAddress, internal_port: int = 0) -> Hole:
        """Open a port for another host, without end."""
        hole = self.table[protocol, port] = Hole(address, internal_port or port)
        return hole

    def open_ports(self) -> set[Port]:
        """Return the ports open now."""
        now = self.clock.monotonic()
        for port, hole in tuple(self.table.items()):
            if hole.expires_at is not None and hole.expires_at <= now:
                del self.table[port]
        return set(self.table)

    def hole(self, port: Port) -> Hole | None:
        """Return what is open at this port now."""
        hole = self.table.get(port)
        if hole is not None and hole.expires_at is not None and hole.expires_at <= self.clock.monotonic():
            del self.table[port]
            return None
        return hole

    def requested(self, verb: str = "map") -> list[MapRequest | Lease]:
        """Return the requests of one verb, in order."""
        return [subject for _, called, subject in self.calls if called == verb]

    # What gateways ask it

    def watch(self, notify: Callable[[GatewayEvent], None]) -> None:
        """Tell `notify` of what happens from now on."""
        self._notify.append(notify)

    def unwatch(self, notify: Callable[[GatewayEvent], None] | None) -> None:
        """Tell it nothing any more."""
        if notify in self._notify:
            self._notify.remove(notify)

    async def answer(self) -> None:
        """Be silent or hang, if told so."""
        await asyncio.sleep(0)
        if self.hangs:
            await asyncio.Event().wait()
        if self.silent:
            raise GatewayTimeout("no answer")

    async def map(self, gateway: Gateway, request: MapRequest) -> Lease:
        """Grant or refuse."""
        self.calls.append((gateway.backend, "map", request))
        await self.answer()
        scripted = self.answers.popleft() if self.answers else self.refusals.get(request.external_port)
        if scripted is not None:
            raise scripted
        port = self._port_for(request)
        lifetime = 0 if self.permanent_only else min(request.lifetime, self.longest)
        lease = Lease(
            protocol=request.protocol,
            internal_address=request.internal_address,
            internal_port=request.internal_port,
            external_port=port,
            external_address=None,
            lifetime=lifetime,
            permanent=lifetime == 0,
            backend=gateway.backend,
            gateway=gateway.identity,
            token=request.token,
        )
        if not self.forgets(lease):
            self._hold(lease, request.comment)
        if self.loses_answers:
            raise GatewayTimeout("the answer was lost")
        return self.lie(lease)

    async def unmap(self, gateway: Gateway, lease: Lease) -> None:
        """Close the hole that is this lease's; another one at its port stays."""
        self.calls.append((gateway.backend, "unmap", lease))
        await self.answer()
        if self.release_error is not None:
            raise self.release_error
        if self.holds(lease):
            port = (lease.protocol, lease.external_port)
            self.deleted.append((port, self.table.pop(port)))

    def holds(self, lease: Lease) -> bool:
        """Tell whether the lease stands."""
        hole = self.hole((lease.protocol, lease.external_port))
        if hole is None:
            return False
        return (hole.internal_address, hole.internal_port) == (lease.internal_address, lease.internal_port)

    def entries(self) -> list[TableEntry]:
        """Return the table as a gateway lists it."""
        self.open_ports()
        return [_entry(port, hole) for port, hole in self.table.items()]

    def _hold(self, lease: Lease, comment: str) -> None:
        port = (lease.protocol, lease.external_port)
        expires_at = None if lease.permanent else self.clock.monotonic() + lease.lifetime
        before = self.table.get(port)
        after = Hole(lease.internal_address, lease.internal_port, expires_at, lease.token, comment)
        if before is not None and before.internal_address != after.internal_address:
            self.deleted.append((port, before))
        self.table[port] = after

    def _port_for(self, request: MapRequest) -> int:
        if self.one_per_internal_port and (mine := self._made_by(request)) is not None:
            return mine
        port = self.other_port or request.external_port or request.internal_port
        holder = self.hole((request.protocol, port))
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

    def _made_by(self, request: MapRequest) -> int | None:
        """Return the external port of what stands for the request's internal port."""
        self.open_ports()
        for (protocol, port), hole in self.table.items():
            inside = (protocol, hole.internal_address, hole.internal_port)
            if inside == (request.protocol, request.internal_address, request.internal_port):
                if hole.token != request.token:
                    raise NotAuthorized("the nonce is another")
                return port
        return None


def _entry(port: Port, hole: Hole) -> TableEntry:
    return TableEntry(*port, hole.internal_address, hole.internal_port, hole.comment)
