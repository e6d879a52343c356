"""Follows a stream of changes in a task, and opens it again when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable

FIRST_DELAY = 0.5
MAX_DELAY = 30.0

Changed = Callable[[], None]

_log = logging.getLogger(__name__)


class StreamFollower:
    """Keeps one stream open between `start` and `close`."""

    def __init__(self, name: str, stream: Callable[[Changed], Awaitable[str]]) -> None:
        """Prepare to follow; nothing is opened.

        Args:
            name: what is followed, for the log.
            stream: calls its argument for each change, and returns why it ended.
        """
        self._name = name
        self._stream = stream
        self._task: asyncio.Task[None] | None = None

    def start(self, changed: Changed) -> None:
        """Call `changed` for each change, and after each end, as changes may have been missed."""
        self._task = asyncio.create_task(self._follow(changed))

    async def close(self) -> None:
        """Stop following."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _follow(self, changed: Changed) -> None:
        delay = FIRST_DELAY
        while True:
            started = time.monotonic()
            cause = await self._stream(changed)
            _log.debug("%s: %s", self._name, cause)
            changed()
            delay = FIRST_DELAY if time.monotonic() - started > delay else min(2 * delay, MAX_DELAY)
            await asyncio.sleep(delay * random.uniform(0.8, 1.2))
