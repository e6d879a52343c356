"""The index of the attempts under way."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import attrs

from portmapper.api.model import Mapping
from portmapper.scheduler.claims import Claims
from portmapper.scheduler.record import Phase, Record


def test_no_table_of_thousands_stays_in_memory(desired: Callable[..., Mapping]) -> None:
    """A start with 2,000 mappings needs tables that the hours after it do not need."""
    claims = Claims({})
    waiting = [Record(desired(port), Phase.SELECTING, serial=1) for port in range(1, 2_001)]
    tracemalloc.start()
    try:
        for record in waiting:
            claims.update(record.mapping.key, None, record)
        for record in waiting:
            claims.update(record.mapping.key, record, attrs.evolve(record, phase=Phase.INIT, serial=0))
        gc.collect()  # also frees the tuples that the interpreter keeps for later
        assert tracemalloc.get_traced_memory()[0] < 8_192
    finally:
        tracemalloc.stop()
