"""The event loop goes on if the system refuses to wait for events."""

from __future__ import annotations

import asyncio
import errno
import selectors
import sys
from typing import Any

import pytest

from portmapper.daemon import patient_selector
from portmapper.daemon.event_loop import run_event_loop

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows waits for events with a proactor")


@pytest.mark.parametrize("error", [OSError(errno.EBADF, "Bad file descriptor"), MemoryError()])
def test_it_tries_again_and_logs_that_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """Timers and I/O work as soon as the system answers again."""
    select, failures = selectors.DefaultSelector.select, iter(range(3))

    def failing(self: Any, timeout: float | None = None) -> Any:
        if next(failures, None) is not None:
            raise error
        return select(self, timeout)

    def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x")
        writer.close()

    async def main() -> bytes:
        monkeypatch.setattr(selectors.DefaultSelector, "select", failing)
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            received = await reader.read()
            writer.close()
            await writer.wait_closed()
        return received

    monkeypatch.setattr(patient_selector, "PAUSE", 0.0)
    assert run_event_loop(main) == b"x"
    assert caplog.text.count("cannot wait for the network, trying again") == 1
