"""Writes once for all that changes in one cycle of the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator

CallSoon = Callable[[Callable[[], None]], object]
"""Calls a function in the next cycle of the event loop."""


class Batches:
    """When to write: at once, or within `gathered` in the next cycle."""

    def __init__(self, write: Callable[[], None]) -> None:
        """Call `write` for all that has changed since the last call."""
        self._write = write
        self._call_soon: CallSoon | None = None
        self._is_planned = False
        self._up_to_date = asyncio.Event()
        self._up_to_date.set()

    @contextlib.contextmanager
    def gathered(self, call_soon: CallSoon) -> Iterator[None]:
        """Write in batches inside the context."""
        self._call_soon = call_soon
        try:
            yield
        finally:
            self._call_soon = None
            self.write_now()

    def write_soon(self) -> None:
        """Write what has changed, with what changes in the same cycle."""
        if self._call_soon is None:
            self.write_now()
        elif not self._is_planned:
            self._is_planned = True
            self._up_to_date.clear()
            self._call_soon(self.write_now)

    def write_now(self) -> None:
        """Write what has changed."""
        self._is_planned = False
        try:
            self._write()
        finally:
            self._up_to_date.set()  # whatever fails, nobody waits forever

    async def written(self) -> None:
        """Wait until what has changed before is written, or could not be."""
        await self._up_to_date.wait()
