"""The daemon's loop never starts a thread in a way that can block it."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from portmapper.daemon.event_loop import run_event_loop


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `threading.Thread.start` fail; without memory, it would block forever."""

    def start(_: threading.Thread) -> None:
        raise AssertionError("this can block the loop")

    monkeypatch.setattr(threading.Thread, "start", start)


@pytest.mark.usefixtures("no_threads")
def test_names_are_looked_up_without_a_thread_pool() -> None:
    """Also by libraries, which use the default pool of the loop."""

    async def main() -> int:
        found = await asyncio.get_running_loop().getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
        return found[0][4][1] + await asyncio.to_thread(lambda: 7)

    assert run_event_loop(main) == 87


@pytest.mark.usefixtures("no_threads")
@pytest.mark.skipif(sys.platform != "linux", reason="needs file descriptors of processes")
def test_a_program_is_waited_for_without_a_thread() -> None:
    """Its exit status is known."""

    async def main() -> int:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "raise SystemExit(7)")
        return await process.wait()

    assert run_event_loop(main) == 7


def test_threads_of_a_plugin_are_its_own() -> None:
    """A pool that the caller passes is used."""

    async def main() -> str:
        with ThreadPoolExecutor(thread_name_prefix="own") as pool:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(pool, lambda: threading.current_thread().name)

    assert run_event_loop(main).startswith("own")
