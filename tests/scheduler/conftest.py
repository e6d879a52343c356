"""Fixtures of the scheduler's tests."""

from __future__ import annotations

from typing import Any

import pytest

from portmapper.scheduler.options import Options


@pytest.fixture
def calm(harness: Any) -> Any:
    """A harness whose resyncs are so rare that only renewals are seen."""
    harness.options = Options(interval=10**6)
    return harness
