"""Queries that a gateway may leave unanswered: each has a short limit, and repeated failure is remembered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from portmapper.api import GatewayTimeout, NetworkFailure

QUERY_TIME = 2.5
"""Seconds for an optional query, as long as the gateway has not been seen to be slower."""

REMEMBERED = 300.0
"""Seconds during which a query that the gateway does not answer is not repeated."""

FAILURES = 2
"""Failures in a row until that is assumed: one may be due to a restart or a lost packet."""

Answer = TypeVar("Answer")


class OptionalQueries:
    """The optional queries to one service, by name."""

    def __init__(self) -> None:
        self._failed: dict[str, tuple[int, float]] = {}

    async def ask(self, name: str, query: Callable[[], Awaitable[Answer]], seconds: float) -> Answer:
        """Await a query; fail at once if it was not answered twice in a row.

        Raises:
            BackendError: there is no answer, or the gateway refuses the query.
        """
        failures, until = self._failed.get(name, (0, 0.0))
        if failures >= FAILURES and time.monotonic() < until:
            raise NetworkFailure(f"the gateway does not answer {name}")
        try:
            async with asyncio.timeout(seconds):
                answer = await query()
        except TimeoutError as error:
            self._remember(name)
            raise GatewayTimeout(f"the gateway did not answer {name} within {seconds:.0f} seconds") from error
        except GatewayTimeout:
            self._remember(name)
            raise
        self._failed.pop(name, None)
        return answer

    def _remember(self, name: str) -> None:
        failures, _ = self._failed.get(name, (0, 0.0))
        self._failed[name] = (failures + 1, time.monotonic() + REMEMBERED)
