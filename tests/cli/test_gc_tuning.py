"""When Python looks for garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from portmapper.cli import gc_tuning


@pytest.fixture
def as_it_was() -> Iterator[None]:
    """Have Python collect as it did, once the test is over."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("as_it_was")
async def test_a_daemon_that_has_started_looks_for_garbage_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its start looks for none, and it may run for years."""
    monkeypatch.setattr(gc_tuning, "STARTUP_SECONDS", 0.0)
    gc.set_threshold(100_000)
    await gc_tuning.tune_garbage_collection(None)
    assert gc.get_threshold()[0] == gc_tuning.THRESHOLD
    assert gc.get_freeze_count() > 0
