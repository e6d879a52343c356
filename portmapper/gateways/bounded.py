"""Calls to a backend within a time limit. Those that change a gateway pass the gate of the daemon first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from portmapper.api.backend import Gateway
from portmapper.api.errors import BackendError, GatewayTimeout, NotLeading, PortmapperError
from portmapper.api.model import Lease, MapRequest
from portmapper.pluginhost import guard
from portmapper.support import send_gate

CALL_LIMIT = 20.0
"""Seconds after which a call to a backend without its own time limit is canceled."""

TABLE_LIMIT = 75.0
"""The same for reading a whole table, which takes one request for each entry."""

READING_LIMIT = 20.0
"""More seconds for a gateway that is still unread: its libraries are loaded first, which takes several
seconds on a slow machine, and its description takes as long as another request."""

T = TypeVar("T")


async def bounded(gateway: Gateway, call: Awaitable[T], limit: float = CALL_LIMIT) -> T:
    """Await a call to a backend within the time limit; every failure becomes a `BackendError`."""
    limit += READING_LIMIT if gateway.unread else 0.0
    try:
        return await guard.run(f"backend:{gateway.backend}", call, limit)
    except BackendError:
        raise
    except TimeoutError as error:
        raise GatewayTimeout(str(error)) from error
    except PortmapperError as error:
        raise BackendError(str(error)) from error


async def map_at(gateway: Gateway, request: MapRequest) -> Lease:
    """Request a mapping, unchecked. Raise `BackendError`."""
    return await _pass(gateway, lambda: gateway.map(request), closes=request.recreate)


async def unmap_at(gateway: Gateway, lease: Lease) -> None:
    """Release a lease. Raise `BackendError`."""
    await _pass(gateway, lambda: gateway.unmap(lease), closes=True)


async def _pass(gateway: Gateway, call: Callable[[], Awaitable[T]], *, closes: bool) -> T:
    """Call a backend once the gate allows it. Repeating is safe, if the gate closed in between."""
    while True:
        await send_gate.passing(closes=closes)
        try:
            with send_gate.changing(closes=closes):
                return await bounded(gateway, call())
        except NotLeading:
            continue
