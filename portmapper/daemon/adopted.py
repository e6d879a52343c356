"""Keeps the ports of a source that cannot be read at start, as an earlier run opened them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from portmapper.api.model import Mapping
from portmapper.api.reading import Reading, SourceState
from portmapper.daemon.listening_gate import ListeningGate
from portmapper.network.host import Network
from portmapper.network.reader import NetworkReader
from portmapper.sources.adhoc import AdhocMappings
from portmapper.sources.reader import SourceReader
from portmapper.store.interface import LeaseStore
from portmapper.store.stored_lease import StoredLease


def adopt(
    requested: AdhocMappings,
    listening: ListeningGate,
    readers: Sequence[SourceReader],
    store: LeaseStore,
    now: datetime,
) -> None:
    """Take over what earlier runs left."""
    requested.adopt(now)
    listening.remember(stored.lease for stored in store.leases)
    adopt_leases(readers, store)


def adopt_leases(
    readers: Sequence[SourceReader],
    store: LeaseStore,
    read_network: Callable[[], Network] | None = None,
) -> None:
    """Give each reader that failed the mappings of its stored leases, until it can be read.

    Their dates do not matter: the wall clock may be wrong, and a daemon that had kept running would still
    keep these ports open.
    """
    failed = [reader for reader in readers if reader.reading.state is SourceState.FAILED]
    if not failed:
        return
    network = (read_network or NetworkReader())()
    for reader in failed:
        reader.adopt(
            [_mapping(stored, network) for stored in store.leases if stored.source == reader.location]
        )


def all_read(readings: Sequence[Reading]) -> bool:
    """Return whether each list was read: the rows of another may be open, so nothing of theirs is closed."""
    return all(reading.state is not SourceState.FAILED for reading in readings)


def refuse_empty(readers: Sequence[SourceReader], store: LeaseStore) -> None:
    """If an earlier run left leases, treat empty standard input as unreadable: it would close their ports.

    A lease that has expired by its date counts too, because the wall clock may be wrong.
    """
    if any(True for _ in store.leases):
        for reader in readers:
            reader.refuse_empty()


def _mapping(stored: StoredLease, network: Network) -> Mapping:
    lease = stored.lease
    return Mapping(
        protocol=lease.protocol,
        port=stored.wanted_port,
        internal_port=lease.internal_port,
        address=None if network.is_ours(lease.internal_address) else lease.internal_address,
        duration=lease.lifetime,
        comment=stored.comment,
        family=lease.family,
        remote=lease.remote,
        source=stored.source,
        where="an earlier run",
    )
