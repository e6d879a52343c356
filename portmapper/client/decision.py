"""Waits until a port that a program opens is open or refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from portmapper.api.errors import BackendError, NoGateway
from portmapper.client.lease import Lease
from portmapper.scheduler.record import Record

OPEN_LIMIT = 15.0
"""Seconds to wait until a port is open or refused."""

POLL_INTERVAL = 0.01
"""Seconds between two checks for a grant: no event reports an adoption."""


async def decision(lease: Lease, is_searching: Callable[[], bool]) -> None:
    """Wait until the port is open, or its callback closed the lease.

    Raises:
        NoGateway: no gateway answered.
        BackendError: every gateway refused.
    """
    try:
        async with asyncio.timeout(OPEN_LIMIT):
            while not (lease.is_closed or (_is_decided(lease._entries) and not is_searching())):  # noqa: ASYNC110
                await asyncio.sleep(POLL_INTERVAL)
    except TimeoutError:
        raise NoGateway(f"no gateway answered within {OPEN_LIMIT:.0f} s") from None
    entries = lease._entries
    if not lease.is_closed and not any(entry.lease for entry in entries):
        raise _failure(entries)


def _is_decided(entries: list[Record]) -> bool:
    return all(entry.lease or entry.attempts for entry in entries)


def _failure(entries: list[Record]) -> Exception:
    refusals = [error for entry in entries for _, error in entry.refusals]
    if not refusals:
        return NoGateway((entries[0].error if entries else None) or "no gateway answered")
    refusal: BackendError = refusals[0]
    return refusal
