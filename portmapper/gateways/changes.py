"""Requests that change a gateway: each passes the gate first, because another daemon may lead by now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from portmapper.api.backend import Gateway
from portmapper.api.errors import NotLeading
from portmapper.api.model import Lease, MapRequest
from portmapper.gateways.bounded import bounded
from portmapper.support import send_gate

T = TypeVar("T")


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
