"""When Python looks for garbage: seldom while the program starts, as usual once it runs."""

from __future__ import annotations

import asyncio
import gc

STARTED_AFTER = 10.0
"""Seconds; by then what stays for good is there."""

COLLECT_AFTER = 2000
"""New objects until garbage is looked for. Each attempt to reach a gateway that is away leaves about eighty
that refer to each other: a daemon that never looked would grow by 130 KiB a minute."""


async def look_for_garbage(_daemon: object) -> None:
    """Begin to, and never look again through what the start has made."""
    await asyncio.sleep(STARTED_AFTER)
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
