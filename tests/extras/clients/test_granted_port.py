"""Choice of the row, and of one port among its protocols and address families."""

from __future__ import annotations

from typing import Any

import pytest
from portmapper_clients.granted_port import GrantedPort

from portmapper.api import EventKind, Family, Protocol


@pytest.mark.parametrize(
    ("mapping", "fields"),
    [
        ("torrents", {"comment": "torrents"}),
        ("torrents", {"comment": " torrents "}),
        ("6881", {"comment": ""}),
        ("7000", {"comment": "", "wanted_external_port": 7000}),
    ],
)
def test_a_row_is_chosen_by_its_comment_or_port(granted: Any, mapping: str, fields: dict[str, Any]) -> None:
    """Both its internal and its requested external port count."""
    port = GrantedPort(mapping)
    port.note(granted(40001, **fields))
    assert port.number == 40001


@pytest.mark.parametrize("mapping", ["web", "0", "40001", "torrent"])
def test_other_rows_are_not_chosen(granted: Any, mapping: str) -> None:
    """The port 0 of a row for any port is no port, and a granted port is not a name of the row."""
    port = GrantedPort(mapping)
    port.note(granted(40001))
    assert port.number is None


def test_tcp_counts_first(granted: Any) -> None:
    """For a moment, the two protocols of a row may have different numbers."""
    port = GrantedPort("torrents")
    port.note(granted(40002, protocol=Protocol.UDP))
    assert port.number == 40002
    port.note(granted(40001))
    port.note(granted(40003, protocol=Protocol.UDP))
    assert port.number == 40001


def test_a_pinhole_does_not_replace_the_port_of_the_gateway(granted: Any) -> None:
    """Its port is the internal port."""
    port = GrantedPort("torrents")
    port.note(granted(40001))
    port.note(granted(6881, family=Family.IPV6))
    assert port.number == 40001


def test_a_closed_mapping_has_no_port(granted: Any) -> None:
    """A failed renewal does not close it."""
    port = GrantedPort("torrents")
    port.note(granted(40001))
    port.note(granted(None, kind=EventKind.FAILED))
    assert port.number == 40001
    port.note(granted(40001, kind=EventKind.CLOSED))
    assert port.number is None


def test_the_end_of_a_replaced_lease_changes_nothing(granted: Any) -> None:
    """The old gateway's lease is closed after the new one is open."""
    port = GrantedPort("torrents")
    port.note(granted(40001))
    port.note(granted(40002, gateway="10.3.0.1"))
    port.note(granted(40001, kind=EventKind.CLOSED))
    assert port.number == 40002
