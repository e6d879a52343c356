"""Work on thousands of values in slices, so that the event loop never waits long."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TypeVar

SLICE = 200
"""Values of one slice: on a small machine, the loop waits a few milliseconds for it."""

T = TypeVar("T")


async def in_slices(values: Iterable[T], size: int = SLICE) -> list[T]:
    """Collect values that are computed one at a time; other work continues after each `size` values."""
    collected = []
    for value in values:
        collected.append(value)
        if len(collected) % size == 0:
            await asyncio.sleep(0)
    return collected


async def json_in_slices(document: object) -> str:
    """Return what `json.dumps` returns for a document whose long lists are at most two levels deep."""
    import json  # a single pass answers no client

    if isinstance(document, dict) and any(map(_is_long, document.values())):
        items = [f"{json.dumps(key)}: {await json_in_slices(value)}" for key, value in document.items()]
        return f"{{{', '.join(items)}}}"
    if not isinstance(document, list) or not _is_long(document):
        return json.dumps(document)
    starts = range(0, len(document), SLICE)
    slices = (json.dumps(document[start : start + SLICE])[1:-1] for start in starts)
    return f"[{', '.join(await in_slices(slices, 1))}]"


def _is_long(value: object) -> bool:
    return isinstance(value, list) and len(value) > SLICE
