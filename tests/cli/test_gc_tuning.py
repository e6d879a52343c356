"""The garbage collector's thresholds after startup."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest

from portmapper.cli import gc_tuning


@pytest.fixture
def restored_gc() -> Iterator[None]:
    """Restore the garbage collector after the test. A daemon of an earlier test may have frozen objects."""
    before = gc.get_threshold()
    gc.unfreeze()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("restored_gc")
async def test_a_started_daemon_collects_garbage_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Startup nearly disables collections, but a daemon may run for years."""
    monkeypatch.setattr(gc_tuning, "STARTUP_SECONDS", 0.0)
    gc.set_threshold(100_000)
    tuning = asyncio.create_task(gc_tuning.tune_garbage_collection(None))
    while not gc.get_freeze_count():
        await asyncio.sleep(0)
    tuning.cancel()
    assert gc.get_threshold()[0] == gc_tuning.THRESHOLD
    assert gc.get_freeze_count() > 0
