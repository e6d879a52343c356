"""Real torrent clients that follow the granted port."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from portmapper_clients.deluge import DelugeObserver
from portmapper_clients.follower import Follower
from portmapper_clients.qbittorrent import QBittorrentObserver
from portmapper_clients.transmission import TransmissionObserver
from torrent_clients import TorrentClient

from portmapper.api import EventKind, structure

pytestmark = pytest.mark.lab

OBSERVERS: dict[str, Any] = {
    kind.name: kind for kind in (QBittorrentObserver, TransmissionObserver, DelugeObserver)
}


@pytest.fixture
async def observer(client: TorrentClient) -> AsyncIterator[Follower]:
    """The observer of the client, for the row with the comment `torrents`."""
    made = observer_of(client)
    yield made
    await made.close()


def observer_of(client: TorrentClient, **changes: Any) -> Follower:
    """Return the observer of the client with some other settings."""
    kind = OBSERVERS[client.name]
    table = structure(kind.settings, {**client.table, "mapping": "torrents", **changes})
    made: Follower = kind(settings=table)
    return made


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition is true."""
    try:
        async with asyncio.timeout(60):
            while not await asyncio.to_thread(condition):
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not {what}") from None


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the warnings. On a busy machine, a client that starts may cause some more of them."""
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


async def test_it_listens_on_the_granted_port_and_follows_a_change(
    client: TorrentClient, observer: Follower, granted: Any, free_port: Callable[[], int]
) -> None:
    """The port that it used before is closed."""
    client.start()
    for kind in (EventKind.OPENED, EventKind.EXTERNAL_PORT_CHANGED):
        port = free_port()
        await observer.observe(granted(port, kind=kind))
        await until(lambda port=port: client.accepts(port), f"listening on {port}")
    assert not client.accepts(client.first_port)


async def test_it_follows_after_it_was_down(
    client: TorrentClient, observer: Follower, granted: Any, free_port: Callable[[], int], caplog: Any
) -> None:
    """One line reports that it does not answer; after its start, it uses the latest port."""
    caplog.set_level(logging.INFO)
    await observer.observe(granted(free_port()))
    await until(lambda: "does not use the granted port yet" in caplog.text, "logged")
    port = free_port()
    await observer.observe(granted(port, kind=EventKind.EXTERNAL_PORT_CHANGED))
    client.start()
    await until(lambda: client.accepts(port), f"listening on {port}")
    await until(lambda: f"uses port {port}" in caplog.text, "reported")
    assert sum(line.endswith("connection refused. portmapper tries again") for line in warnings(caplog)) == 1


async def test_an_invalid_password_is_reported_once_and_leads_to_no_ban(
    client: TorrentClient, granted: Any, free_port: Callable[[], int], tmp_path: Path, caplog: Any
) -> None:
    """A new password in the file is used, without a restart; a ban would refuse it."""
    file = tmp_path / "password"
    file.write_text("wrong\n")
    observer = observer_of(client, password="", password_file=str(file))
    client.start()
    for _ in range(8):
        port = free_port()
        await observer.observe(granted(port, kind=EventKind.EXTERNAL_PORT_CHANGED))
        await asyncio.sleep(0.2)
    await until(lambda: caplog.records, "logged")
    file.write_text(f"{client.table['password']}\n")
    await until(lambda: client.accepts(port), f"listening on {port}")
    await observer.close()
    assert sum("refused username and password" in line for line in warnings(caplog)) == 1
    assert "wrong" not in caplog.text


async def test_other_rows_change_nothing(
    client: TorrentClient, observer: Follower, granted: Any, free_port: Callable[[], int]
) -> None:
    """Only the row with the comment or port in `mapping` counts."""
    client.start()
    other, port = free_port(), free_port()
    await observer.observe(granted(other, comment="web"))
    await observer.observe(granted(port))
    await observer.observe(granted(other, comment="web", kind=EventKind.EXTERNAL_PORT_CHANGED))
    await until(lambda: client.accepts(port), f"listening on {port}")
    assert not client.accepts(other)


def test_settings_are_frozen(client: TorrentClient) -> None:
    """A plugin cannot change its settings."""
    table = structure(OBSERVERS[client.name].settings, {**client.table, "mapping": 6881})
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        table.mapping = "web"
    assert "adminadmin" not in repr(table)
