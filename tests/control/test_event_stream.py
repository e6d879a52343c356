"""The streams of events: lines of JSON, and server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from platforms import posix_only

from portmapper.api.events import Event, EventKind
from portmapper.control import event_stream
from portmapper.control.unix_socket import short_address

pytestmark = posix_only("uses Unix sockets")


def event(detail: str) -> Event:
    """Return an event that its detail identifies."""
    return Event(datetime(2026, 1, 1, tzinfo=UTC), EventKind.OPENED, detail)


@contextlib.asynccontextmanager
async def stream(directory: Path, *headers: str) -> AsyncIterator[asyncio.StreamReader]:
    """Open the stream, and yield its lines after the headers of the answer."""
    with short_address(directory) as address:
        reader, writer = await asyncio.open_unix_connection(address)
    lines = "".join(f"{line}\r\n" for line in ("Host: localhost", *headers))
    writer.write(f"GET /v1/events HTTP/1.0\r\n{lines}\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n"), head
    yield reader
    writer.close()


async def block(reader: asyncio.StreamReader) -> dict[str, str]:
    """Return the fields of the next server-sent event."""
    lines = (await reader.readuntil(b"\n\n")).decode().splitlines()
    return dict(line.split(": ", 1) for line in lines if ": " in line)


SSE = "Accept: text/event-stream"


async def test_server_sent_events_have_ids(tmp_path: Path, served: Any) -> None:
    """The id rises with each event, and is in the data too."""
    async with served(tmp_path) as daemon, stream(tmp_path, SSE) as reader:
        assert await block(reader) == {"retry": "2000"}
        while not daemon.listeners:
            await asyncio.sleep(0.005)
        for number in (1, 2):
            daemon.publish(event(f"event {number}\nid: 9"))
            fields = await block(reader)
            data = json.loads(fields["data"])
            assert (fields["id"], data["id"], data["detail"]) == (
                str(number),
                number,
                f"event {number}\nid: 9",
            )


@pytest.mark.parametrize(("last", "expected"), [("1", [2, 3]), ("0", [1, 2, 3]), ("2", [3])])
async def test_a_client_that_returns_gets_what_it_missed(
    tmp_path: Path, served: Any, last: str, expected: list[int]
) -> None:
    """From the journal, then live, each event once."""
    async with served(tmp_path) as daemon:
        for number in (1, 2):
            daemon.publish(event(str(number)))
        async with stream(tmp_path, SSE, f"Last-Event-ID: {last}") as reader:
            await block(reader)
            while not daemon.listeners:
                await asyncio.sleep(0.005)
            daemon.publish(event("3"))
            assert [int((await block(reader))["id"]) for _ in expected] == expected


@pytest.mark.parametrize("last", ["", "x", "-1", "99999999999999999999", "3"])
async def test_an_unknown_last_id_begins_with_the_next_event(tmp_path: Path, served: Any, last: str) -> None:
    """An id of another journal is no error."""
    async with served(tmp_path) as daemon:
        daemon.publish(event("1"))
        async with stream(tmp_path, SSE, f"Last-Event-ID: {last}") as reader:
            await block(reader)
            while not daemon.listeners:
                await asyncio.sleep(0.005)
            daemon.publish(event("2"))
            assert (await block(reader))["id"] == "2"


async def test_a_quiet_stream_sends_comments(
    tmp_path: Path, served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the client, and a proxy, know that it is alive."""
    monkeypatch.setattr(event_stream, "KEEP_ALIVE", 0.01)
    async with served(tmp_path), stream(tmp_path, SSE) as reader:
        await block(reader)
        assert await reader.readuntil(b"\n\n") == b":\n\n"


async def test_lines_of_json_have_ids_too(tmp_path: Path, served: Any) -> None:
    """Without an Accept header, the stream is as before."""
    async with served(tmp_path) as daemon, stream(tmp_path) as reader:
        while not daemon.listeners:
            await asyncio.sleep(0.005)
        daemon.publish(event("x"))
        line = json.loads(await reader.readline())
        assert (line["id"], line["event"], line["detail"]) == (1, "opened", "x")
