"""Fixtures with real torrent clients, and events of a mapping for them."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest
from running_program import program
from torrent_clients import CLIENTS, TorrentClient

from portmapper.api import Event, EventKind, Family, Protocol

__all__ = ["program"]

OPENED = Event(
    at=datetime(2026, 1, 1, tzinfo=UTC),
    kind=EventKind.OPENED,
    protocol=Protocol.TCP,
    family=Family.IPV4,
    internal_address=ipaddress.ip_address("192.168.1.10"),
    internal_port=6881,
    wanted_external_port=0,
    external_address=ipaddress.ip_address("203.0.113.7"),
    backend="natpmp",
    gateway="10.2.0.1",
    comment="torrents",
)


@pytest.fixture
def granted() -> Callable[..., Event]:
    """Create the event of a granted port."""
    return lambda port, **more: attrs.evolve(OPENED, external_port=port, **more)


@pytest.fixture(params=CLIENTS, ids=lambda kind: kind.name)
def client(
    request: pytest.FixtureRequest, tmp_path: Path, free_port: Callable[[], int]
) -> Iterator[TorrentClient]:
    """Each client, not started yet."""
    client: TorrentClient = request.param(tmp_path, free_port)
    yield client
    client.stop()
