"""The schema of the lease store, and how files of earlier versions reach it."""

from __future__ import annotations

from portmapper.store.sqlite import Schema

LEASE_STORE = Schema(
    version=9,
    tables="""
CREATE TABLE IF NOT EXISTS leases (
    token BLOB PRIMARY KEY, protocol TEXT NOT NULL,
    internal_address TEXT NOT NULL, internal_port INTEGER NOT NULL,
    wanted_port INTEGER NOT NULL, external_port INTEGER NOT NULL, external_address TEXT,
    lifetime INTEGER NOT NULL, permanent INTEGER NOT NULL,
    backend TEXT NOT NULL, gateway TEXT NOT NULL, private TEXT NOT NULL,
    confirmed INTEGER NOT NULL, granted_at REAL NOT NULL, source TEXT NOT NULL, comment TEXT NOT NULL,
    remote TEXT NOT NULL DEFAULT '', origin TEXT NOT NULL DEFAULT '',
    disturbed INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journal (
    at REAL NOT NULL, event TEXT NOT NULL, protocol TEXT, external_port INTEGER,
    internal_address TEXT, internal_port INTEGER,
    backend TEXT NOT NULL, gateway TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS journal_at ON journal (at);
CREATE TABLE IF NOT EXISTS adhoc (record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS devices (address TEXT PRIMARY KEY, server TEXT NOT NULL, model TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS gateways (
    address TEXT NOT NULL, backend TEXT NOT NULL, location TEXT NOT NULL, PRIMARY KEY (address, backend)
);
CREATE TABLE IF NOT EXISTS learned (
    address TEXT NOT NULL, backend TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (address, backend)
);
CREATE TABLE IF NOT EXISTS paused (
    protocol TEXT NOT NULL, port INTEGER NOT NULL, address TEXT NOT NULL, internal_port INTEGER NOT NULL,
    at REAL NOT NULL, PRIMARY KEY (protocol, port, address, internal_port)
);
CREATE TABLE IF NOT EXISTS ports (
    protocol TEXT NOT NULL, address TEXT NOT NULL, internal_port INTEGER NOT NULL,
    external_port INTEGER NOT NULL, PRIMARY KEY (protocol, address, internal_port)
);
""",
    upgrades={
        4: "ALTER TABLE leases ADD COLUMN remote TEXT NOT NULL DEFAULT '';",
        6: "ALTER TABLE leases ADD COLUMN origin TEXT NOT NULL DEFAULT '';",
        9: "ALTER TABLE leases ADD COLUMN disturbed INTEGER NOT NULL DEFAULT 0;",
    },
)
"""Versions: 1 has leases and journal. 2 adds ad-hoc mappings, 3 the last external port of mappings that
accept any port, 4 the devices and the remote hosts of a lease, 5 the paused rows, 6 the origin of a lease,
7 where gateways answered, 8 what gateways refused, 9 which leases a release may have closed."""
