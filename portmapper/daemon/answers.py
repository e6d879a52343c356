"""How long the answer to a request of another program may wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

ANSWER_LIMIT = 8.0
"""Seconds to wait for the gateway; shorter than the client waits for the daemon's answer."""

FIRST_PAUSE = 0.001
"""Seconds before the second check of a condition: most gateways answer within a few milliseconds."""

LONGEST_PAUSE = 0.02
"""Seconds between two checks of a condition that takes long to come true; each pause is twice as long."""


async def until(condition: Callable[[], object]) -> None:
    """Wait until the condition is true, at most `ANSWER_LIMIT`; no event reports an adoption, so poll."""
    pause = FIRST_PAUSE
    try:
        async with asyncio.timeout(ANSWER_LIMIT):
            while not condition():
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
    except TimeoutError:
        return
