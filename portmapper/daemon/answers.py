"""How long the answer to a request of another program may wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

ANSWER_LIMIT = 8.0
"""Seconds to wait for the gateway; shorter than the client waits for the daemon's answer."""

POLL_INTERVAL = 0.02
"""Seconds between two checks of a condition."""


async def until(condition: Callable[[], object]) -> None:
    """Wait until the condition is true, at most `ANSWER_LIMIT`; no event reports an adoption, so poll."""
    try:
        async with asyncio.timeout(ANSWER_LIMIT):
            while not condition():  # noqa: ASYNC110 - see above
                await asyncio.sleep(POLL_INTERVAL)
    except TimeoutError:
        return
