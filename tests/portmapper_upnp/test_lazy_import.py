"""Imports that do not block the event loop."""

from __future__ import annotations

import asyncio
import time

import pytest

from portmapper.api.errors import Unsupported


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
