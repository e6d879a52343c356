"""Work in slices: the result is that of one piece, and other work continues meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from portmapper.support.slices import SLICE, in_slices, json_in_slices

MANY = [{"port": port, "comment": "Zürich, [1, 2]"} for port in range(3 * SLICE + 1)]


async def beside(work: Any) -> tuple[Any, int]:
    """Return the result, and how often another task ran meanwhile."""
    task, turns = asyncio.ensure_future(work), 0
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    return task.result(), turns


async def test_values_are_collected_while_other_tasks_run() -> None:
    """Each slice ends with a turn for them."""

    def values() -> Iterator[int]:
        yield from range(3 * SLICE)

    collected, turns = await beside(in_slices(values()))
    assert collected == list(range(3 * SLICE))
    assert turns > 3


@pytest.mark.parametrize(
    "document",
    [{}, [], {"version": "1", "mappings": MANY, "error": None}, {"mappings": MANY[:2]}, MANY, "text", None],
)
async def test_json_is_that_of_one_piece(document: object) -> None:
    """Also in the order of its keys."""
    assert await json_in_slices(document) == json.dumps(document)


async def test_a_long_document_is_encoded_while_other_tasks_run() -> None:
    """The event loop renews leases meanwhile."""
    _, turns = await beside(json_in_slices({"mappings": MANY}))
    assert turns > 3
