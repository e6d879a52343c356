"""Writes to the store what a full disk or a lock refused, as soon as that is possible."""

from __future__ import annotations

import asyncio

from portmapper.store.interface import LeaseStore

WRITE_RETRY_DELAY = 1.0
"""Seconds before another attempt to write to a store whose disk was full."""


async def retry_store_writes(store: LeaseStore) -> None:
    """Write missing records until canceled.

    Otherwise a crash before the next renewal would lose them, and their ports would stay open.
    """
    failed = asyncio.Event()
    store.on_write_failure = failed.set
    if store.error:
        failed.set()
    while True:
        await failed.wait()
        failed.clear()
        await asyncio.sleep(WRITE_RETRY_DELAY)
        store.catch_up()
