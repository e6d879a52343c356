"""Fixtures for tests of what users see: a store in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from portmapper.store.leases import Store


@pytest.fixture
def store() -> Iterator[Store]:
    """A store in memory."""
    store = Store(None)
    yield store
    store.close()
