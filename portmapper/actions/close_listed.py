"""Close the mappings that sources list, and no others: `run --only-close-ports`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial

from portmapper.actions.closed_event import closed_event
from portmapper.api.backend import Backend, Gateway, ListsMappings
from portmapper.api.errors import BackendError, NoGateway, NotAuthorized, Unsupported
from portmapper.api.model import ConflictPolicy, Family, IPAddress, Lease, Mapping, TableEntry
from portmapper.gateways.bounded import bounded
from portmapper.gateways.brief import Brief
from portmapper.gateways.calls import read_table
from portmapper.gateways.probe import Probe
from portmapper.gateways.workqueue import WorkQueues
from portmapper.network.gateway_option import reachable_targets
from portmapper.network.host import Network, read_network
from portmapper.network.placement import Place, expand, places
from portmapper.store.leases import Store
from portmapper.store.stored_lease import StoredLease

_log = logging.getLogger(__name__)


class ListCloser:
    """One pass that closes mappings on every gateway that may have them.

    Attributes:
        failed: number of mappings that could not be closed.
    """

    def __init__(
        self,
        backends: Sequence[Backend],
        store: Store,
        *,
        chosen: Sequence[str],
        conflict: ConflictPolicy,
        network: Callable[[], Network] = read_network,
    ) -> None:
        self.failed = 0
        self._backends = backends
        self._store = store
        self._conflict = conflict
        self._network = network()
        self._chosen = reachable_targets(chosen, self._network)
        self._idle = asyncio.Event()
        self._queues = WorkQueues(self._idle.set)

    async def close(self, mappings: Sequence[Mapping]) -> None:
        """Close these mappings; skip those that are not open or that another host holds.

        Raises:
            NoGateway: there are mappings to close, and no gateway answered.
        """
        expanded = expand(mappings, self._network, self._chosen)
        desired = [(mapping, place) for mapping in expanded for place in self._places(mapping)]
        targets = dict.fromkeys(place.target for _, place in desired)
        brief = Brief(self._store.gateways)
        probes = {target: Probe(target, self._backends, lambda _: None, brief=brief) for target in targets}
        try:
            await asyncio.gather(*(probe.round() for probe in probes.values()))
            if mappings and not any(probe.gateways for probe in probes.values()):
                raise NoGateway("no gateway answered; run 'portmapper doctor' to find out why")
            for mapping, place in desired:
                for gateway in probes[place.target].gateways:
                    self._queues.submit(gateway, partial(self._close, gateway, mapping, place))
            while self._queues.busy:
                self._idle.clear()
                await self._idle.wait()
        finally:
            await self._queues.stop()
            for probe in probes.values():
                await probe.close()
            for backend in self._backends:
                await backend.close()

    def _places(self, mapping: Mapping) -> list[Place]:
        return places(mapping, self._network, self._chosen)

    async def _close(self, gateway: Gateway, mapping: Mapping, place: Place) -> None:
        try:
            async for lease in self._leases(gateway, mapping, place):
                await bounded(gateway, gateway.unmap(lease))
                if lease.token:  # without a token the lease was only a guess, and perhaps never existed
                    self._store.record(closed_event(lease, self._store.get(lease.token)))
                    self._store.remove(lease.token)
        except BackendError as error:
            refused = isinstance(error, Unsupported | NotAuthorized)
            if refused and not any(self._known(gateway, mapping)):
                _log.debug(
                    "%s does not close %s %d: %s", gateway.backend, mapping.protocol, mapping.port, error
                )
                return  # nothing indicates that the gateway has this mapping
            self.failed += 1
            _log.warning("%s cannot close %s %d: %s", gateway.backend, mapping.protocol, mapping.port, error)

    async def _leases(self, gateway: Gateway, mapping: Mapping, place: Place) -> AsyncIterator[Lease]:
        """Yield the leases that may exist: those in the store, else the lease that we would have."""
        known = [s for s in self._known(gateway, mapping) if _can_close(place, s.lease.internal_address)]
        for stored in known:
            yield stored.lease
        if not known:
            yield _lease(gateway, mapping, place)
        if (mapping.conflict or self._conflict) is ConflictPolicy.TAKE and isinstance(gateway, ListsMappings):
            for entry in await read_table(gateway):
                if (entry.protocol, entry.external_port) == (mapping.protocol, mapping.port):
                    yield _lease(gateway, mapping, place, entry)

    def _known(self, gateway: Gateway, mapping: Mapping) -> Iterator[StoredLease]:
        for stored in self._store.leases:
            use = (
                stored.lease.gateway,
                stored.lease.protocol,
                stored.wanted_port,
                stored.lease.internal_port,
            )
            if use == (gateway.identity, mapping.protocol, mapping.port, mapping.internal_port):
                yield stored


def _can_close(place: Place, host: IPAddress) -> bool:
    """Return whether that place can close the lease: only a pinhole's own host can close the pinhole."""
    return host.version == 4 or host == place.internal_address


def _lease(gateway: Gateway, mapping: Mapping, place: Place, entry: TableEntry | None = None) -> Lease:
    """Return the lease that matches this mapping, or the gateway's entry at its port."""
    internal = entry.internal_address if entry and entry.internal_address else place.internal_address
    return Lease(
        protocol=mapping.protocol,
        internal_address=internal,
        internal_port=entry.internal_port if entry else mapping.internal_port,
        external_port=mapping.internal_port if mapping.family is Family.IPV6 else mapping.port,
        external_address=None,
        lifetime=0,
        permanent=True,
        backend=gateway.backend,
        gateway=gateway.identity,
    )
