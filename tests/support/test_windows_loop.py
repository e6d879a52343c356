"""Readable sockets on the event loop of Windows, which has none of its own."""

from __future__ import annotations

import asyncio
import socket

from portmapper.support.windows_loop import ReaderThreads, run


async def test_a_callback_runs_for_each_message() -> None:
    """It runs again while the socket can be read, and one at a time."""
    ours, theirs = socket.socketpair()
    readers, received = ReaderThreads(asyncio.get_running_loop()), asyncio.Queue[bytes]()
    readers.add(ours, lambda size: received.put_nowait(ours.recv(size)), 1)
    with ours, theirs:
        theirs.send(b"ab")
        assert [await received.get(), await received.get()] == [b"a", b"b"]
        assert readers.remove(ours)


async def test_a_removed_reader_is_not_called() -> None:
    """A second reader of the same socket replaces the first one."""
    ours, theirs = socket.socketpair()
    readers, calls = ReaderThreads(asyncio.get_running_loop()), list[str]()
    came = asyncio.Event()
    with ours, theirs:
        readers.add(ours, calls.append, "first")
        readers.add(ours, came.set)
        theirs.send(b"a")
        await came.wait()
        assert readers.remove(ours)
        assert not readers.remove(ours)
    assert calls == []


def test_a_coroutine_runs_as_with_asyncio() -> None:
    """Its result is returned."""

    async def main() -> int:
        return 7

    assert run(main()) == 7
