"""Files of earlier versions of the lease store."""

from __future__ import annotations

import contextlib
import sqlite3
from ipaddress import ip_address
from pathlib import Path

import pytest

from portmapper.api.errors import StoreError
from portmapper.store.leases import Store
from portmapper.store.schema import LEASE_STORE
from portmapper.store.sqlite import Schema

# Recorded from the versions themselves; never change them.
VERSION_1 = """
CREATE TABLE leases (
    token BLOB PRIMARY KEY, protocol TEXT NOT NULL,
    internal_address TEXT NOT NULL, internal_port INTEGER NOT NULL,
    wanted_port INTEGER NOT NULL, external_port INTEGER NOT NULL, external_address TEXT,
    lifetime INTEGER NOT NULL, permanent INTEGER NOT NULL,
    backend TEXT NOT NULL, gateway TEXT NOT NULL, private TEXT NOT NULL,
    confirmed INTEGER NOT NULL, granted_at REAL NOT NULL, source TEXT NOT NULL, comment TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE journal (
    at REAL NOT NULL, event TEXT NOT NULL, protocol TEXT, external_port INTEGER,
    internal_address TEXT, internal_port INTEGER,
    backend TEXT NOT NULL, gateway TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE INDEX journal_at ON journal (at);
"""
VERSION_2 = VERSION_1 + "CREATE TABLE adhoc (record TEXT NOT NULL);"
VERSION_3 = f"""{VERSION_2}
CREATE TABLE ports (
    protocol TEXT NOT NULL, address TEXT NOT NULL, internal_port INTEGER NOT NULL,
    external_port INTEGER NOT NULL, PRIMARY KEY (protocol, address, internal_port)
);
"""
DEVICES = "CREATE TABLE devices (address TEXT PRIMARY KEY, server TEXT NOT NULL, model TEXT NOT NULL);"
LEASE = (
    "INSERT INTO leases VALUES (x'01', 'TCP', '192.168.88.10', 80, 80, 80, '203.0.113.7', 3600, 0,"
    " 'pcp', 'pcp:192.168.88.1', '', 1, 1767225600.0, 'ports.csv', 'web')"
)
EVENT = (
    "INSERT INTO journal VALUES (1767225600.0, 'opened', 'TCP', 80, '192.168.88.10', 80, 'pcp',"
    " '192.168.88.1', '')"
)


@pytest.mark.parametrize(
    ("tables", "version"),
    [(VERSION_1, 1), (VERSION_2, 2), (VERSION_3, 3), (VERSION_3 + DEVICES, 3)],
    ids=["1", "2", "3", "3-with-devices"],
)
def test_a_store_of_an_earlier_version_keeps_its_leases_and_journal(
    tmp_path: Path, tables: str, version: int
) -> None:
    """What the version lacked can be stored afterwards, and the file is not set aside."""
    path = tmp_path / "leases.sqlite3"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.executescript(f"{tables} {LEASE}; {EVENT}; PRAGMA user_version = {version};")
    with contextlib.closing(Store(path)) as store:
        (stored,) = store.leases
        assert (stored.lease.internal_address, stored.lease.remote) == (ip_address("192.168.88.10"), None)
        assert (stored.lease.external_port, stored.comment) == (80, "web")
        assert [event["event"] for event in store.history(10)] == ["opened"]
        store.adhoc = ("{}",)
        store.remember_port((stored.lease.protocol, "", 80), 4711)
    with contextlib.closing(Store(path)) as again:
        assert (len(list(again.leases)), again.adhoc, len(again.ports), again.damage) == (1, ("{}",), 1, "")
    assert [file.name for file in tmp_path.iterdir()] == ["leases.sqlite3"]


def test_a_file_of_a_version_that_is_interrupted_in_its_upgrade_is_as_before(tmp_path: Path) -> None:
    """An upgrade is one transaction, and the next start repeats it."""
    path = tmp_path / "leases.sqlite3"
    broken = Schema(4, LEASE_STORE.tables + "CREATE TABLE adhoc (record);", LEASE_STORE.upgrades)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.executescript(f"{VERSION_3} {LEASE}; PRAGMA user_version = 3;")
        with pytest.raises(sqlite3.OperationalError):
            old.executescript(broken.script(3))
        old.rollback()
        assert old.execute("PRAGMA user_version").fetchone() == (3,)
    with contextlib.closing(Store(path)) as store:
        assert len(list(store.leases)) == 1


def test_an_upgrade_changes_only_what_the_found_version_lacks() -> None:
    """A new file gets the tables alone."""
    schema = Schema(3, "TABLES;", {2: "TWO;", 3: "THREE;"})
    assert "TWO" not in schema.script(0)
    assert "TWO" not in schema.script(2)
    assert schema.script(1).index("TWO") < schema.script(1).index("THREE") < schema.script(1).index("TABLES")


def test_a_daemon_continues_in_memory_with_the_store_of_a_newer_version(tmp_path: Path) -> None:
    """The file stays as it is, so that the newer version finds its leases."""
    path = tmp_path / "leases.sqlite3"
    Store(path).close()
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 999")
    store = Store(path, must_write=False)
    store.adhoc = ("{}",)
    assert "newer version" in str(store.error)
    store.close()
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (999,)
        assert database.execute("SELECT count(*) FROM adhoc").fetchone() == (0,)
    with pytest.raises(StoreError, match="newer version"):
        Store(path)
