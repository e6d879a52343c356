"""Closes ports when the daemon ends, within a time limit."""

from __future__ import annotations

import asyncio
import logging

from portmapper.scheduler.scheduler import Scheduler

RELEASE_LIMIT = 10.0
"""Time limit in seconds for closing ports on exit."""

_log = logging.getLogger(__name__)


async def close_ports(scheduler: Scheduler) -> None:
    """Release everything, as far as the gateway answers in time."""
    _log.info("closing all open ports")
    try:
        async with asyncio.timeout(RELEASE_LIMIT):
            await scheduler.release_all()
    except TimeoutError:
        _log.warning("could not close every port within %.0f s", RELEASE_LIMIT)
