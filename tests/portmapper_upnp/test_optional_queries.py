"""Optional queries: a short limit, and a memory of their failure."""

from __future__ import annotations

import asyncio

import pytest

from portmapper.api.errors import GatewayTimeout, NetworkFailure
from portmapper_upnp.optional_queries import OptionalQueries


async def test_m26_a_query_that_hangs_twice_is_not_repeated() -> None:
    """The third one fails at once; a single failure may be due to a restart of the gateway."""
    queries, asked = OptionalQueries(), []

    async def hang() -> None:
        asked.append(1)
        await asyncio.Event().wait()

    for _ in range(2):
        with pytest.raises(GatewayTimeout):
            await queries.ask("GetStatusInfo", hang, 0.01)
    with pytest.raises(NetworkFailure, match="GetStatusInfo"):
        await queries.ask("GetStatusInfo", hang, 0.01)
    assert asked == [1, 1]


async def test_another_query_is_still_asked() -> None:
    """Each query has its own memory."""
    queries = OptionalQueries()

    async def hang() -> str:
        await asyncio.Event().wait()
        return "never"

    async def answer() -> str:
        return "answer"

    with pytest.raises(GatewayTimeout):
        await queries.ask("GetStatusInfo", hang, 0.01)
    assert await queries.ask("GetExternalIPAddress", answer, 1.0) == "answer"
