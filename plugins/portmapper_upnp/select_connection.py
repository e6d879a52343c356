"""The order in which to use the WAN connections that a gateway describes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from portmapper.api import BackendError, ExternalKind, external_kind
from portmapper_upnp.connection import WanConnection
from portmapper_upnp.requester import MAX_CONNECTIONS
from portmapper_upnp.soap_fault import Fault

_TYPES = ("wanpppconnection:1", "wanipconnection:1", "wanipconnection:2")
"""In ascending order of preference; a gateway may offer one connection under two of these types."""

SILENT = -1
"""Score of a connection that does not answer."""

Score = tuple[int, int, int]


async def by_preference(connections: Sequence[WanConnection]) -> list[WanConnection]:
    """Sort: connected first, then with a public address, then of the newest type.

    A single connection is returned without any query, because there is no alternative.
    """
    if len(connections) == 1:
        return list(connections)
    # Queries wait here and not within their time limit: those of silent connections would use it up (S9).
    turns = asyncio.Semaphore(MAX_CONNECTIONS)
    scores = await asyncio.gather(*(_score(connection, turns) for connection in connections))
    ranked = sorted(zip(scores, connections, strict=True), key=lambda pair: pair[0], reverse=True)
    return [connection for _, connection in ranked]


async def _score(connection: WanConnection, turns: asyncio.Semaphore) -> Score:
    """Return the score of a connection; higher is better."""
    async with turns:
        connected = await _connected(connection)
        reach = await _reach(connection) if connected != SILENT else 0
    newness = next((rank for rank, name in enumerate(_TYPES) if connection.kind.lower().endswith(name)), -1)
    return connected, reach, newness


async def _connected(connection: WanConnection) -> int:
    """Return the score of the status; an unknown status is better than a disconnected one (S4)."""
    try:
        return (
            2
            if (await connection.optional("GetStatusInfo", connection.status)).strip().lower() == "connected"
            else 0
        )
    except BackendError as error:
        return 1 if isinstance(error, Fault) else SILENT


async def _reach(connection: WanConnection) -> int:
    """Return the score of the external address: public before private (S2) before none."""
    try:
        kind = external_kind(await connection.optional("GetExternalIPAddress", connection.external_address))
    except BackendError:
        return 0
    return {ExternalKind.PUBLIC: 2, ExternalKind.NONE: 0}.get(kind, 1)
