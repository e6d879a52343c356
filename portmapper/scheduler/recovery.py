"""Finds our leases in the tables of gateways, after a damaged store has lost them."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from portmapper.api.backend import Gateway, ListsMappings
from portmapper.api.errors import BackendError
from portmapper.api.model import Lease, TableEntry
from portmapper.gateways.calls import read_table
from portmapper.gateways.discovery import Discovery
from portmapper.gateways.workqueue import Priority, WorkQueues
from portmapper.network.host import Network
from portmapper.store.ownership import Ownership
from portmapper.support.clock import Clock

OUR_COMMENT = "portmapper"
"""Description of an entry whose row has no comment. Entries with other comments may be another program's."""


class Recovery:
    """Takes entries that lead to this host and have our comment as orphans: they are adopted or released."""

    def __init__(
        self,
        discovery: Discovery,
        ownership: Ownership,
        queues: WorkQueues,
        network: Callable[[], Network],
        clock: Clock,
        found: Callable[[], None],
    ) -> None:
        """Look at nothing yet; `found` is called after an entry was taken."""
        self._discovery = discovery
        self._ownership = ownership
        self._queues = queues
        self._network = network
        self._clock = clock
        self._found = found
        self._is_active = False
        self._read: set[str] = set()

    def begin(self) -> None:
        """Look at the table of each gateway, and of each one that is found later."""
        if not self._is_active:
            self._is_active = True
            for gateway in self._discovery.gateways:
                self.look_at(gateway)

    def look_at(self, gateway: Gateway) -> None:
        """Read the table of a gateway, once, if it shows one."""
        if self._is_active and isinstance(gateway, ListsMappings) and gateway.identity not in self._read:
            self._read.add(gateway.identity)
            self._queues.submit(gateway, partial(self._look, gateway), Priority.QUERY)

    async def _look(self, gateway: Gateway) -> None:
        assert isinstance(gateway, ListsMappings)
        try:
            entries = await read_table(gateway)
        except BackendError:
            self._read.discard(gateway.identity)  # the next search tries again
            return
        network, now = self._network(), self._clock.now()
        ours = [entry for entry in entries if entry.comment == OUR_COMMENT and entry.internal_port]
        for entry in ours:
            if entry.internal_address is not None and network.is_ours(entry.internal_address):
                self._ownership.found(_lease(entry, gateway), entry.comment, now)
        if ours:
            self._found()


def _lease(entry: TableEntry, gateway: Gateway) -> Lease:
    assert entry.internal_address is not None, "it leads to this host"
    return Lease(
        protocol=entry.protocol,
        internal_address=entry.internal_address,
        internal_port=entry.internal_port,
        external_port=entry.external_port,
        external_address=None,
        lifetime=entry.lifetime,
        permanent=entry.lifetime == 0,
        backend=gateway.backend,
        gateway=gateway.identity,
        token=os.urandom(12),
    )
