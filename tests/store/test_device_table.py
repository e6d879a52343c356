"""What is remembered of devices."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from portmapper.api.model import Lease, Protocol
from portmapper.api.quirks import Device
from portmapper.store.device_table import DEVICES_REMEMBERED
from portmapper.store.leases import FILE_NAME, Store
from portmapper.store.stored_lease import StoredLease

GATEWAY = ip_address("192.168.88.1")
LEASE = Lease(
    Protocol.TCP, ip_address("192.168.88.10"), 80, 80, None, 600, False, "pcp", f"pcp:{GATEWAY}", b"token"
)
KNOWN = Device(GATEWAY, "Linux/6.1 UPnP/1.0 R1/2", "R1", frozenset({"upnp"}))


def test_a_device_is_written_with_the_next_lease(tmp_path: Path) -> None:
    """Its backends are those of one run only."""
    store = Store(tmp_path / FILE_NAME)
    store.devices.put(KNOWN)
    store.put(StoredLease(LEASE, 80, datetime.now(UTC), True, "", ""))
    store.close()
    again = Store(tmp_path / FILE_NAME)
    assert again.devices.get(GATEWAY) == Device(GATEWAY, KNOWN.server, KNOWN.model)
    again.close()


def test_an_unknown_device_has_an_empty_description() -> None:
    """So that no caller has to ask whether it is known."""
    store = Store(None)
    assert store.devices.get(GATEWAY) == Device(GATEWAY)
    store.close()


def test_a_backend_alone_is_not_worth_a_write() -> None:
    """Only what a device says of itself is kept."""
    store = Store(None)
    store.devices.put(Device(GATEWAY, backends=frozenset({"pcp"})))
    assert not store.devices.changed
    store.devices.put(KNOWN)
    assert store.devices.changed
    store.close()


def test_the_oldest_device_is_forgotten() -> None:
    """Any host of the LAN can answer a search."""
    store = Store(None)
    for number in range(DEVICES_REMEMBERED + 1):
        store.devices.put(Device(GATEWAY + number, "server"))
    assert store.devices.get(GATEWAY).server == ""
    assert store.devices.get(GATEWAY + 1).server == "server"
    store.close()


def test_an_invalid_row_is_skipped(tmp_path: Path) -> None:
    """Another program may have written it."""
    Store(tmp_path / FILE_NAME).close()
    with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as database, database:
        database.execute("INSERT INTO devices VALUES ('x', 'server', ''), ('192.168.88.1', 'R1', '')")
    database.close()
    store = Store(tmp_path / FILE_NAME)
    assert store.devices.get(GATEWAY).server == "R1"
    store.close()
