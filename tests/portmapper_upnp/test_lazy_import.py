"""Imports that do not block the event loop."""

from __future__ import annotations

import asyncio
import errno
import time

import pytest

from portmapper.api.errors import BackendError, Unsupported


async def test_importing_leaves_the_event_loop_free(monkeypatch):
    """A slow import does not block other tasks, and the caller gets its failure."""
    from portmapper_upnp import lazy_import

    def slow(name):
        time.sleep(0.05)
        raise ImportError(name)

    monkeypatch.setattr(lazy_import.importlib, "import_module", slow)
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    ticking = asyncio.create_task(tick())
    with pytest.raises(Unsupported, match="anything"):
        await lazy_import.load("anything")
    ticking.cancel()
    assert ticks > 2


async def test_without_descriptors_the_import_can_be_tried_again(monkeypatch):
    """The caller gets an error that passes, and no thread shows a traceback."""
    from portmapper_upnp import lazy_import

    def failing(name):
        raise OSError(errno.EMFILE, "Too many open files", "/usr/lib/anything.py")

    monkeypatch.setattr(lazy_import.importlib, "import_module", failing)
    with pytest.raises(BackendError, match=r"anything cannot be imported: Too many open files$") as caught:
        await lazy_import.load("anything")
    assert not isinstance(caught.value, Unsupported)


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.EAGAIN, "the system cannot start a thread")])
async def test_without_memory_or_threads_the_import_can_be_tried_again(monkeypatch, error):
    """The event loop never waits for a thread that does not start."""
    from portmapper_upnp import lazy_import

    async def failing(_):
        raise error

    monkeypatch.setattr(lazy_import, "in_thread_or_here", failing)
    with pytest.raises(BackendError, match=r"no memory left|cannot start a thread") as caught:
        await lazy_import.load("anything")
    assert not isinstance(caught.value, Unsupported)
