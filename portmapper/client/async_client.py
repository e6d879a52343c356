"""The asynchronous Python API: keep ports open while a program runs, on its event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self, SupportsIndex

from portmapper.api.backend import Backend
from portmapper.api.errors import Conflict, UsageError
from portmapper.api.events import Event
from portmapper.api.model import (
    ANY_PORT,
    DEFAULT_DURATION,
    ConflictPolicy,
    Family,
    IPAddress,
    Mapping,
    remote_text,
)
from portmapper.api.quirks import Quirk
from portmapper.client.arguments import (
    Address,
    Lifetime,
    Remote,
    check_callback,
    check_wait,
    conflict_from,
    family_from,
    mapping_from,
    names_from,
)
from portmapper.client.decision import decision
from portmapper.client.gateways import FoundGateway, external_address, found_gateways
from portmapper.client.lease import Lease
from portmapper.pluginhost.faults import instantiate
from portmapper.scheduler.options import Options
from portmapper.scheduler.record import Record, records_of
from portmapper.scheduler.scheduler import Scheduler
from portmapper.store.leases import Store
from portmapper.support.clock import Clock
from portmapper.support.text import endpoint, plural

CLOSE_LIMIT = 10.0
"""Seconds to wait until closed ports are released."""

POLL_INTERVAL = 0.01
"""Seconds between two checks for a release."""

OnChange = Callable[[Lease, Event], object]
"""A function, or a coroutine function, that is called with each change of a lease."""


class Client:
    """Opens ports and renews them until the block ends; writes nothing to disk.

    ```
    async with Client() as client:
        lease = await client.open(8080, "tcp")
    ```
    """

    def __init__(
        self,
        *,
        backend: str | Sequence[str] = (),
        gateway: Address | Sequence[Address] = (),
        conflict: ConflictPolicy | str = "keep",
    ) -> None:
        """Configure the client; nothing is sent yet.

        Args:
            backend: use only these backends, in this order; empty means all.
            gateway: use only these gateways, without discovery: addresses or URLs of a description.
            conflict: what to do if a port is taken: `keep`, `next`, `overwrite` or `fail`.

        Raises:
            TypeError: an argument has an invalid type.
            ValueError: `conflict` is not a valid policy.
        """
        self._names = names_from("backend", backend)
        self._chosen = names_from("gateway", gateway)
        self._options = Options(conflict=conflict_from(conflict), chosen=self._chosen)
        self._leases: list[Lease] = []
        self._informed: list[Lease] = []
        self._scheduler: Scheduler | None = None
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start the scheduler.

        Raises:
            ValueError: there is no such backend, or a gateway is neither an address nor a URL.
            UsageError: the client is already started.
        """
        if self._scheduler is not None:
            raise UsageError("the client is already in a 'with' block: create another client")
        try:
            backends, quirks = self._load()
            # Not in __init__: SQLite allows only the thread that opened a connection to use it.
            with contextlib.ExitStack() as stack:
                self._store = stack.enter_context(contextlib.closing(Store(None)))
                self._scheduler = Scheduler(
                    backends, self._store, self._publish, self._options, Clock(), quirks=quirks
                )
                stack.pop_all()
        except UsageError as error:
            # The message names the command's option, which a program does not have.
            raise ValueError(str(error).replace("--gateway", "gateway")) from None
        self._running = asyncio.create_task(self._scheduler.run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every port and stop."""
        scheduler, self._scheduler = self._started_scheduler(), None
        assert self._running is not None, "the block was entered"
        self._leases.clear()
        for lease in self._informed:
            lease.is_closed = True
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        try:
            async with asyncio.timeout(CLOSE_LIMIT):
                await scheduler.release_all()
        except TimeoutError:
            pass  # a lease that the gateway does not release expires
        finally:
            await scheduler.close()
            self._store.close()
            for lease in self._informed:
                lease._changes.end()
            await asyncio.gather(*(lease._changes.finished() for lease in self._informed))

    async def open(
        self,
        port: SupportsIndex,
        protocol: str = "tcp",
        *,
        internal_port: SupportsIndex | None = None,
        address: Address | None = None,
        family: Family | str | None = None,
        lifetime: Lifetime = DEFAULT_DURATION,
        comment: str = "",
        gateway: Address | None = None,
        conflict: ConflictPolicy | str | None = None,
        remote: Remote | None = None,
        on_change: OnChange | None = None,
        wait: bool = True,
    ) -> Lease:
        """Open a port and keep it open.

        Two leases of the same port share it: the arguments of the first apply, and the port is closed with
        the last.

        Args:
            port: desired external port; 0 means any, and needs `internal_port`.
            protocol: `tcp` or `udp`.
            internal_port: the port that listens; default: `port`.
            address: the host that listens; default: this host.
            family: `ipv4`, or `ipv6` for a pinhole; default: the family of `address`, else `ipv4`.
            lifetime: seconds, or a `timedelta`; the client renews the lease before it expires.
            comment: text for the gateway's table.
            gateway: `all` opens the port on every gateway that answers, an address on that gateway only;
                default: the best gateway.
            conflict: what to do if the port is taken: `keep`, `next`, `overwrite` or `fail`; default: the
                policy of the client.
            remote: the only hosts that may connect, as an address or a network; default: every host.
            on_change: called with the lease and each change, except for renewals.
            wait: False returns at once, and the client tries until the port is open or the lease is closed.

        Raises:
            TypeError: an argument has an invalid type.
            ValueError: an argument has an invalid value.
            NoGateway: no gateway answered.
            BackendError: every gateway refused; the error of the first one.
        """
        scheduler = self._started_scheduler()
        check_callback(on_change)
        check_wait(wait)
        mapping = mapping_from(
            port, protocol, internal_port, address, family, lifetime, comment, gateway, conflict, remote
        )
        lease = self._new_lease(self._shared(mapping), on_change)
        self._leases.append(lease)
        self._informed = [*(one for one in self._informed if not one._changes.is_done), lease]
        self._update()
        if wait:
            await self._until_decided(scheduler, lease)
        return lease

    async def close(self, lease: Lease) -> None:
        """Close one lease; the same as `Lease.close`.

        Raises:
            ValueError: the lease belongs to another client.
        """
        if lease.is_closed:
            return
        if lease not in self._leases:
            raise ValueError("the lease belongs to another client")
        held = [] if lease.is_shared else [entry.lease.token for entry in lease._entries if entry.lease]
        lease.is_closed = True
        self._leases.remove(lease)
        self._update()
        try:
            async with asyncio.timeout(CLOSE_LIMIT):
                while any(self._store.get(token) is not None for token in held):  # noqa: ASYNC110
                    await asyncio.sleep(POLL_INTERVAL)
        except TimeoutError:
            return
        finally:
            lease._changes.end()
            if not lease._changes.is_calling:
                await lease._changes.finished()

    def mappings(self) -> list[Lease]:
        """Return the leases that this client keeps open, in the order of `open`."""
        return list(self._leases)

    async def discover(self) -> list[FoundGateway]:
        """Return every protocol of every gateway that answers, best first; empty if none does."""
        self._started_scheduler()
        return await found_gateways(self._load()[0], self._chosen)

    async def external_address(self, family: Family | str = "ipv4") -> IPAddress:
        """Return the gateway's external IPv4 address; for `ipv6` this host's address as the internet sees it.

        Raises:
            NoGateway: no gateway answers, or this host has no IPv6 connection.
            NetworkFailure: the gateway has no external address.
        """
        self._started_scheduler()
        wanted = family_from(family)
        known = [lease.external_address for lease in self._leases if lease.mapping.family is wanted]
        if wanted is Family.IPV4 and any(known):
            return next(address for address in known if address)
        return await external_address(self._load()[0], self._chosen, wanted)

    def __repr__(self) -> str:
        """Return whether the client runs, and its number of leases."""
        state = plural(len(self._leases), "lease") if self._scheduler else "not started"
        return f"<{type(self).__name__}: {state}>"

    def _new_lease(self, mapping: Mapping, on_change: OnChange | None) -> Lease:
        return Lease(self, mapping, on_change)

    def _shared(self, mapping: Mapping) -> Mapping:
        """Return the mapping of an earlier lease of the same port, else the new one.

        Raises:
            Conflict: this client has opened the port for another host or internal port, or for other
                remote hosts. A shared lease must not let in more hosts than the program asked for.
        """
        same_place = [m for m in self._desired() if _place(m) == _place(mapping)]
        same = next((other for other in same_place if other.key == mapping.key), None)
        if same is None and same_place and mapping.port != ANY_PORT:
            port = f"{mapping.port}/{mapping.protocol.lower()}"
            other = same_place[0]
            target = endpoint(other.address, other.internal_port, "this host")
            raise Conflict(f"{port} is in use: this client opened it for {target}; close it first")
        if same is not None and same.remote != mapping.remote:
            port = f"{mapping.port}/{mapping.protocol.lower()}"
            hosts = remote_text(same.remote) or "every host"
            raise Conflict(f"{port} is in use: this client opened it for {hosts}; close it first")
        return same or mapping

    def _is_shared(self, lease: Lease) -> bool:
        return sum(other.mapping.key == lease.mapping.key for other in self._leases) > 1

    def _desired(self) -> list[Mapping]:
        return list({lease.mapping.key: lease.mapping for lease in self._leases}.values())

    def _update(self) -> None:
        if self._scheduler is not None:
            self._scheduler.set_desired(self._desired())

    async def _until_decided(self, scheduler: Scheduler, lease: Lease) -> None:
        try:
            await decision(lease, lambda: scheduler.is_incomplete)
        except BaseException:
            self._abandon(lease)
            raise

    def _abandon(self, lease: Lease) -> None:
        """Give up a lease that `open` does not return."""
        if lease.is_closed:
            return  # its client ended meanwhile
        lease.is_closed = True
        self._leases.remove(lease)
        self._informed.remove(lease)
        lease._changes.cancel()
        self._update()

    def _publish(self, event: Event) -> None:
        for lease in self._informed:
            if lease._is_concerned(event):
                lease._changes.put(event)

    def _records_of(self, mapping: Mapping) -> list[Record]:
        """Return the states of a mapping, one for each gateway; empty after the client has ended."""
        return records_of(self._scheduler.records, mapping) if self._scheduler else []

    def _external(self, gateway: str) -> IPAddress | None:
        """Return the last known external address of a gateway, given its identity."""
        return self._scheduler.external.get(gateway) if self._scheduler else None

    def _started_scheduler(self) -> Scheduler:
        if self._scheduler is None:
            raise UsageError("use the client only inside 'with' or 'async with'")
        return self._scheduler

    def _load(self) -> tuple[list[Backend], list[Quirk]]:
        from portmapper.pluginhost.manager import load_plugins

        plugins = load_plugins()
        backends = instantiate("backend", plugins.choose_backends(self._names))
        return backends, instantiate("quirk", plugins.quirks)


def _place(mapping: Mapping) -> tuple[object, ...]:
    """Return what two mappings of one client cannot share: a port of a gateway, or of a host over IPv6."""
    host = mapping.address if mapping.family is Family.IPV6 else None
    return mapping.protocol, mapping.port, mapping.family, mapping.gateway, host
