"""Rows that want one external port for different hosts."""

from __future__ import annotations

import pytest

from portmapper.api.reading import Rejected
from portmapper.api.source import FormatOptions, Row
from portmapper.sources.policy import Policy
from portmapper.sources.row_cache import RowCache
from portmapper.sources.shared_ports import MAX_SHOWN


def warnings_of(*rows: dict[str, object]) -> list[Rejected]:
    """Return the warnings of a list."""
    cache = RowCache(FormatOptions(), Policy())
    cache.convert([Row(row, f"line {n}", f"line {n}, column {{}}") for n, row in enumerate(rows, 2)], "")
    return cache.warnings


def row(port: str, address: str = "", **fields: object) -> dict[str, object]:
    """Return a row for TCP."""
    return {"port": port, "protocol": "tcp", "address": address, **fields}


def test_one_port_for_two_hosts_is_reported() -> None:
    """The port of the second row would be in conflict with that of the first."""
    (warning,) = warnings_of(row("8080-8085"), row("8083-8084", "192.168.88.11"))
    assert warning.place == "line 3"
    assert (
        warning.reason == "8083/tcp is also in line 2, for another host: a gateway can open it for one host"
    )


@pytest.mark.parametrize(
    "second",
    [
        row("8081", "192.168.88.11"),
        row("8080", "192.168.88.11", protocol="udp"),
        row("8080", "192.168.99.0/24"),
        row("8080", "192.168.88.11", gateway="192.168.99.1"),
        row("8080", "2001:db8::1"),
        row("8080", "192.168.88.11", enabled="no"),
    ],
)
def test_other_ports_and_gateways_are_not(second: dict[str, object]) -> None:
    """Both rows can be open."""
    assert warnings_of(row("8080"), second) == []


def test_a_list_of_others_cannot_fill_the_log() -> None:
    """Only the first rows are reported."""
    many = [row(str(port), host) for port in range(1, 50) for host in ("", "192.168.88.11")]
    assert len(warnings_of(*many)) == MAX_SHOWN
