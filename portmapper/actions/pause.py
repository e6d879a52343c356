"""Pauses and resumes rows without a daemon: only the store changes, and the next run acts on it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from portmapper.api.events import Event, EventKind
from portmapper.api.model import ANY_PORT, Protocol
from portmapper.store.leases import Store
from portmapper.store.pause_table import PauseKey

Port = tuple[Protocol, int]


def pause_in_store(store: Store, ports: Iterable[Port], now: datetime) -> None:
    """Pause whatever rows have these external ports."""
    for port in ports:
        store.pauses.add(_keys(store, port), now)
        store.record(_event(EventKind.PAUSED, port, now))
    store.catch_up()


def resume_in_store(store: Store, ports: Iterable[Port], now: datetime) -> list[Port]:
    """End the pauses of these external ports, and return the ports that were paused."""
    resumed = []
    for port in ports:
        keys = [key for key in _keys(store, port) if key in store.pauses.known]
        if keys:
            store.pauses.remove(keys)
            store.record(_event(EventKind.RESUMED, port, now))
            resumed.append(port)
    store.catch_up()
    return resumed


def _keys(store: Store, port: Port) -> list[PauseKey]:
    """Return the pauses of a port: its own, and those of rows for any port that had it last."""
    granted = [
        (protocol, ANY_PORT, address, internal_port)
        for (protocol, address, internal_port), external_port in store.ports.items()
        if (protocol, external_port) == port
    ]
    return [(*port, "", 0), *granted]


def _event(kind: EventKind, port: Port, now: datetime) -> Event:
    protocol, number = port
    return Event(at=now, kind=kind, protocol=protocol, external_port=number, wanted_external_port=number)
