"""The backend `routeros`: the router that the settings or the environment name."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, ClassVar

from portmapper.api import (
    Backend,
    Gateway,
    GatewayTimeout,
    IPAddress,
    NetworkFailure,
    Target,
    Unsupported,
    quoted,
)
from portmapper_routeros.settings import RouterOsTable, read_settings

if TYPE_CHECKING:
    from portmapper_routeros.rest import Router
    from portmapper_routeros.settings import Settings

_RESOLVE_SECONDS = 5.0


class RouterOsBackend(Backend):
    """Static rules on RouterOS; they never expire, so protocols with leases rank higher."""

    name: ClassVar[str] = "routeros"
    rank: ClassVar[int] = 40
    settings: ClassVar[type] = RouterOsTable

    def __init__(self, *, settings: RouterOsTable | None = None) -> None:
        self._table = settings
        self._router: Router | None = None

    async def discover(self, target: Target) -> AsyncIterator[Gateway]:
        """Yield the router, unless the user chose another gateway.

        Raises:
            BackendError: a router is set, but it cannot be used.
        """
        from portmapper_routeros.gateway import RouterOsGateway
        from portmapper_routeros.rest import NotFound

        settings = read_settings(os.environ, self._table)
        if settings is None or target.url is not None:
            return
        address = await _resolve(settings)
        if target.chosen and target.gateway != address:
            return
        router = self._connected(settings)
        requested = time.monotonic()
        try:
            about = await router.item("system/resource")
        except NotFound:
            raise Unsupported("the router has no REST API: it needs RouterOS 7.1 or newer") from None
        gateway = RouterOsGateway(router, settings.interface, address, target.local_address, about)
        gateway.latency = time.monotonic() - requested
        yield gateway

    async def close(self) -> None:
        """Close the connections to the router."""
        if self._router is not None:
            await self._router.close()
            self._router = None

    def _connected(self, settings: Settings) -> Router:
        from portmapper_routeros.rest import Router

        if self._router is None:
            self._router = Router(settings)
        return self._router


async def _resolve(settings: Settings) -> IPAddress:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_RESOLVE_SECONDS):
            found = await loop.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise GatewayTimeout(
            f"cannot resolve {quoted(settings.host)} within {_RESOLVE_SECONDS:g} s"
        ) from None
    except OSError:
        raise NetworkFailure(f"cannot resolve {quoted(settings.host)}") from None
    return ipaddress.ip_address(found[0][4][0])
