"""A process that dies at any write leaves a store that opens and lacks at most the last write."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from portmapper.store.leases import FILE_NAME, Store

WRITER = """
import os, sys
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from portmapper.store import leases
from portmapper.api.model import Lease, Protocol

left = int(sys.argv[2])


def cut(statement):
    global left
    left -= 1
    if left < 0:
        os._exit(9)


real = leases.sqlite3.connect


def connect(*arguments, **options):
    database = real(*arguments, **options)
    database.set_trace_callback(cut)
    return database


leases.sqlite3.connect = connect
kept = leases.Store(Path(sys.argv[1]))
for number in (1, 2):
    requested = Lease(
        Protocol.TCP, ip_address("192.168.1.2"), 80, 80, None, 600, False, "pcp", "pcp:192.168.1.1",
        bytes([number]),
    )
    for confirmed in (False, True):
        kept.put(leases.StoredLease(requested, 80, datetime.now(UTC), confirmed))
kept.remove(bytes([1]))
kept.close()
"""


@pytest.mark.parametrize("cut_after", range(0, 30, 2))
def test_a_power_cut_at_any_write_leaves_a_store_that_opens(tmp_path: Path, cut_after: int) -> None:
    """It has a state that was written; the next start renews or releases its leases."""
    path = tmp_path / FILE_NAME
    died = subprocess.run([sys.executable, "-c", WRITER, str(path), str(cut_after)], check=False)
    assert died.returncode in (0, 9)
    store = Store(path)
    known = [(stored.lease.token, stored.confirmed) for stored in store.leases]
    store.close()
    first, second = bytes([1]), bytes([2])
    assert known in (
        [],
        [(first, False)],
        [(first, True)],
        [(first, True), (second, False)],
        [(first, True), (second, True)],
        [(second, True)],
    )
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
