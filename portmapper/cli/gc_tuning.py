"""Thresholds of Python's garbage collector after startup."""

from __future__ import annotations

import asyncio
import gc

STARTUP_SECONDS = 3.0
"""After this time, the daemon has created its long-lived objects: ten times what it takes on a PC over UPnP.
What is free by then, the first client can use."""

THRESHOLD = 2000
"""New objects between two collections. Each attempt to reach an absent gateway leaves about 80 objects in
reference cycles: without collections, a daemon would grow by 130 KiB a minute."""


async def tune_garbage_collection(_daemon: object) -> None:
    """Wait until the daemon has started, exclude its long-lived objects, and collect more often.

    Then wait until canceled: a part of the daemon that ends is taken for a failed one.
    """
    await asyncio.sleep(STARTUP_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(THRESHOLD)
    await asyncio.Event().wait()
