"""What is remembered of where gateways answered."""

from __future__ import annotations

import contextlib
import ipaddress
import sqlite3
from pathlib import Path

from portmapper.api.learning import MAX_LEARNED
from portmapper.store.gateway_table import GATEWAYS_REMEMBERED, LONGEST, GatewayTable
from portmapper.store.leases import FILE_NAME, Store

GATEWAY = ipaddress.ip_address("192.168.88.1")
URL = "http://192.168.88.1:5000/rootDesc.xml"


def test_locations_are_kept_across_runs(tmp_path: Path) -> None:
    """They are written when the store closes, at the latest."""
    store = Store(tmp_path / FILE_NAME)
    store.gateways.put(GATEWAY, "upnp", URL)
    store.gateways.put(GATEWAY, "pcp", "")
    store.close()
    again = Store(tmp_path / FILE_NAME)
    found = [again.gateways.location(GATEWAY, name) for name in ("upnp", "pcp", "natpmp")]
    again.close()
    assert found == [URL, "", None]


def test_a_damaged_row_is_skipped(tmp_path: Path) -> None:
    """The other rows stay."""
    store = Store(tmp_path / FILE_NAME)
    store.gateways.put(GATEWAY, "upnp", URL)
    store.close()
    with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as database, database:
        database.execute("INSERT INTO gateways VALUES ('no address', 'upnp', 'x')")
    database.close()
    again = Store(tmp_path / FILE_NAME)
    assert again.gateways.location(GATEWAY, "upnp") == URL
    again.close()


def test_the_table_is_bounded() -> None:
    """The oldest entries are forgotten, and a huge location is not remembered."""
    table = GatewayTable()
    table.put(GATEWAY, "upnp", "x" * (LONGEST + 1))
    assert not table.changed
    for number in range(GATEWAYS_REMEMBERED + 1):
        table.put(GATEWAY + number, "upnp", URL)
    assert table.location(GATEWAY, "upnp") is None
    assert table.location(GATEWAY + 1, "upnp") == URL


def test_what_gateways_refuse_is_kept_across_runs(tmp_path: Path) -> None:
    """Each gateway has one text; a huge one is not kept."""
    store = Store(tmp_path / FILE_NAME)
    store.gateways.put_learned(GATEWAY, "upnp", "{}")
    store.gateways.put_learned(GATEWAY, "pcp", "x" * (MAX_LEARNED + 1))
    store.close()
    again = Store(tmp_path / FILE_NAME)
    found = [again.gateways.learned(GATEWAY, name) for name in ("upnp", "pcp")]
    again.close()
    assert found == ["{}", ""]
