"""Queries that a gateway may leave unanswered: each has a short limit, and its failure is remembered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from portmapper.api import GatewayTimeout, NetworkFailure

QUERY_TIME = 2.5
"""Seconds for an optional query, as long as the gateway has not been seen to be slower."""

REMEMBERED = 300.0
"""Seconds during which a query without a valid answer is not repeated."""

Answer = TypeVar("Answer")


class OptionalQueries:
    """The optional queries to one service, by name."""

    def __init__(self) -> None:
        self._failed: dict[str, float] = {}

    async def ask(self, name: str, query: Callable[[], Awaitable[Answer]], seconds: float) -> Answer:
        """Await a query; fail at once if it recently hung or returned garbage.

        Raises:
            BackendError: there is no answer, or the gateway refuses the query.
        """
        if time.monotonic() < self._failed.get(name, 0.0):
            raise NetworkFailure(f"the gateway does not answer {name}")
        try:
            async with asyncio.timeout(seconds):
                return await query()
        except TimeoutError as error:
            self._remember(name)
            raise GatewayTimeout(f"the gateway did not answer {name} within {seconds:.0f} seconds") from error
        except GatewayTimeout:
            self._remember(name)
            raise

    def _remember(self, name: str) -> None:
        self._failed[name] = time.monotonic() + REMEMBERED
