"""The asynchronous Python API: keep ports open while a program runs, on its event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import attrs

from portmapper.api.backend import Backend
from portmapper.api.errors import BackendError, NoGateway, RowError, UsageError
from portmapper.api.events import Event
from portmapper.api.model import (
    DEFAULT_DURATION,
    MAX_DURATION,
    ConflictPolicy,
    Family,
    IPAddress,
    Mapping,
    MappingState,
    Protocol,
)
from portmapper.api.quirks import Quirk
from portmapper.pluginhost.faults import instantiate
from portmapper.scheduler.options import Options
from portmapper.scheduler.record import Record, records_of
from portmapper.scheduler.scheduler import Scheduler
from portmapper.sources.address_syntax import parse_gateway
from portmapper.sources.port_syntax import MAX_PORT
from portmapper.store.leases import Store
from portmapper.support.clock import Clock

SOURCE = "program"
"""The source of the mappings that a program opens."""

OPEN_LIMIT = 15.0
"""Seconds to wait until a port is open or refused."""

CLOSE_LIMIT = 10.0
"""Seconds to wait until closed ports are released."""

POLL_INTERVAL = 0.01
"""Seconds between two checks for a grant or a release."""


class ClientLease:
    """A port that stays open until you close it or its client ends.

    If it is open on several gateways, the properties describe the best gateway that holds it.
    `endpoints` lists every gateway.

    Attributes:
        mapping: the requested mapping.
    """

    def __init__(self, client: Client, mapping: Mapping, entries: list[Record]) -> None:
        self.mapping = mapping
        self._client = client
        self._last = entries

    @property
    def _entries(self) -> list[Record]:
        """The state on each gateway; after the client has ended, the last known state."""
        now = self._client.records_of(self.mapping)
        self._last = now or [attrs.evolve(record, lease=None) for record in self._last]
        return self._last

    @property
    def _entry(self) -> Record:
        entries = self._entries
        return next((entry for entry in entries if entry.lease), entries[0])

    @property
    def endpoints(self) -> dict[str, tuple[IPAddress | None, int]]:
        """The external address and port on each gateway that holds the mapping, by gateway address."""
        leases = [entry.lease for entry in self._entries if entry.lease]
        return {
            lease.gateway.partition(":")[2]: (
                lease.external_address or self._client.external(lease.gateway),
                lease.external_port,
            )
            for lease in leases
        }

    @property
    def state(self) -> MappingState:
        """The current state of the mapping."""
        return self._entry.state

    @property
    def error(self) -> str | None:
        """The reason why the port is not open or cannot be renewed; None if there is no error."""
        return self._entry.error

    @property
    def external_port(self) -> int | None:
        """The external port; None while the mapping is not open."""
        return self._entry.lease.external_port if self._entry.lease else None

    @property
    def external_address(self) -> IPAddress | None:
        """The gateway's external address; None while it is not known."""
        lease = self._entry.lease
        return (lease.external_address or self._client.external(lease.gateway)) if lease else None

    @property
    def backend(self) -> str | None:
        """The backend that holds the lease: `pcp`, `natpmp`, `upnp` or the name of a plugin's backend."""
        return self._entry.lease.backend if self._entry.lease else None

    async def close(self) -> None:
        """Close the port; closing it twice is allowed. If the gateway does not answer, the lease expires."""
        await self._client.close(self)


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
        backend: Sequence[str] = (),
        gateway: Sequence[str] = (),
        conflict: ConflictPolicy | str = ConflictPolicy.OWN,
    ) -> None:
        """Configure the client; nothing is sent yet.

        Args:
            backend: use only these backends, in this order; empty means all.
            gateway: use only these gateways, without discovery: addresses or URLs of a description.
            conflict: what to do if a port is taken: `own`, `next`, `take` or `fail`.

        Raises:
            UsageError: `conflict` is not a valid policy.
        """
        self._names = (backend,) if isinstance(backend, str) else tuple(backend)
        chosen = (gateway,) if isinstance(gateway, str) else tuple(gateway)
        if conflict not in list(ConflictPolicy):
            raise UsageError(f"conflict must be one of {', '.join(ConflictPolicy)}, not {conflict!r}")
        self._options = Options(conflict=ConflictPolicy(conflict), chosen=chosen)
        self._mappings: dict[object, Mapping] = {}
        self._scheduler: Scheduler | None = None
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start the scheduler.

        Raises:
            UsageError: no plugin provides a named backend, or a gateway name is invalid.
        """
        backends, quirks = _backends(self._names)
        # Not in __init__: SQLite allows only the thread that opened a connection to use it.
        self._store = Store(None)
        self._scheduler = Scheduler(backends, self._store, _ignore, self._options, Clock(), quirks=quirks)
        self._running = asyncio.create_task(self._scheduler.run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every port and stop."""
        scheduler, self._scheduler = self._started_scheduler(), None
        assert self._running is not None, "the block was entered"
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

    async def open(
        self,
        port: int,
        protocol: str = "tcp",
        *,
        internal_port: int | None = None,
        address: IPAddress | None = None,
        family: Family | str | None = None,
        lifetime: int = DEFAULT_DURATION,
        comment: str = "",
        gateway: str | None = None,
    ) -> ClientLease:
        """Open a port and keep it open.

        Args:
            port: desired external port; 0 means any, and needs `internal_port`.
            protocol: `tcp` or `udp`.
            internal_port: the port that listens; default: `port`.
            address: the host that listens; default: this host.
            family: `ipv4`, or `ipv6` for a pinhole; default: the family of `address`, else `ipv4`.
            lifetime: lifetime of the lease in seconds; the client renews it before it expires.
            comment: text for the gateway's table.
            gateway: `all` opens the port on every gateway that answers, an address on that gateway only;
                default: the best gateway.

        Raises:
            UsageError: the port, protocol, family, lifetime or gateway is invalid.
            NoGateway: no gateway answered.
            BackendError: every gateway refused; the error of the first one.
        """
        scheduler = self._started_scheduler()
        mapping = _mapping(port, protocol, internal_port, address, family, lifetime, comment, gateway)
        self._mappings[mapping.key] = mapping
        scheduler.set_desired(self._mappings.values())
        try:
            async with asyncio.timeout(OPEN_LIMIT):
                while not _is_decided(scheduler, mapping):  # noqa: ASYNC110 - no event reports an adoption
                    await asyncio.sleep(POLL_INTERVAL)
        except BaseException as error:
            self._forget(mapping)
            if isinstance(error, TimeoutError):
                raise NoGateway(f"no gateway answered within {OPEN_LIMIT:.0f} s") from error
            raise
        entries = records_of(scheduler.records, mapping)
        if not any(entry.lease for entry in entries):
            self._forget(mapping)
            raise _failure(entries)
        return ClientLease(self, mapping, entries)

    async def close(self, lease: ClientLease) -> None:
        """Close one port; the same as `ClientLease.close`."""
        held = [entry.lease.token for entry in lease._entries if entry.lease]
        self._forget(lease.mapping)
        try:
            async with asyncio.timeout(CLOSE_LIMIT):
                while any(self._store.get(token) is not None for token in held):  # noqa: ASYNC110 - as above
                    await asyncio.sleep(POLL_INTERVAL)
        except TimeoutError:
            return

    def records_of(self, mapping: Mapping) -> list[Record]:
        """Return the states of a mapping, one for each gateway; empty after the client has ended."""
        return records_of(self._scheduler.records, mapping) if self._scheduler else []

    def external(self, gateway: str) -> IPAddress | None:
        """Return the last known external address of a gateway, given its identity."""
        return self._scheduler.external.get(gateway) if self._scheduler else None

    def _forget(self, mapping: Mapping) -> None:
        if self._mappings.pop(mapping.key, None) is not None and self._scheduler is not None:
            self._scheduler.set_desired(self._mappings.values())

    def _started_scheduler(self) -> Scheduler:
        if self._scheduler is None:
            raise UsageError("use the client only inside 'with' or 'async with'")
        return self._scheduler


def _backends(names: Sequence[str]) -> tuple[list[Backend], list[Quirk]]:
    from portmapper.pluginhost.manager import load_plugins

    plugins = load_plugins()
    backends = instantiate("backend", plugins.choose_backends(names))
    return backends, instantiate("quirk", plugins.quirks)


def _mapping(
    port: int,
    protocol: str,
    internal_port: int | None,
    address: IPAddress | None,
    family: Family | str | None,
    lifetime: int,
    comment: str,
    gateway: str | None,
) -> Mapping:
    internal = port if internal_port is None else internal_port
    if not 0 <= port <= MAX_PORT or not 1 <= internal <= MAX_PORT:
        raise UsageError(f"a port must be 1 to {MAX_PORT}; 0 (any port) needs an internal port")
    if protocol.upper() not in list(Protocol):
        raise UsageError(f"protocol must be tcp or udp, not {protocol!r}")
    if not 0 <= lifetime <= MAX_DURATION:
        raise UsageError(f"a lifetime must be 0 to {MAX_DURATION} seconds")
    address_family = Family.of(address) if address is not None else None
    if family is not None and (family not in list(Family) or address_family not in (None, family)):
        raise UsageError(f"family must be ipv4 or ipv6 and match the address, not {family!r}")
    try:
        named_gateway = parse_gateway(gateway or "")
    except RowError as error:
        raise UsageError(str(error)) from None
    return Mapping(
        protocol=Protocol(protocol.upper()),
        port=port,
        internal_port=internal,
        address=address,
        family=Family(family or address_family or Family.IPV4),
        duration=lifetime,
        comment=comment or "portmapper",
        gateway=named_gateway,
        source=SOURCE,
    )


def _is_decided(scheduler: Scheduler, mapping: Mapping) -> bool:
    entries = records_of(scheduler.records, mapping)
    tried = all(entry.lease or entry.attempts for entry in entries)
    return tried and not scheduler.is_searching


def _failure(entries: list[Record]) -> Exception:
    refusals = [error for entry in entries for _, error in entry.refusals]
    if not refusals:
        return NoGateway(entries[0].error or "no gateway answered")
    refusal: BackendError = refusals[0]
    return refusal


def _ignore(event: Event) -> None:
    """Drop the event: the program reads its leases, and there is no journal."""
