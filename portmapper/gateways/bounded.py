"""Calls to a backend within a time limit."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from portmapper.api.backend import Gateway
from portmapper.api.errors import BackendError, GatewayTimeout, PortmapperError
from portmapper.pluginhost import guard

CALL_LIMIT = 20.0
"""Seconds after which a call to a backend without its own time limit is canceled."""

T = TypeVar("T")


async def bounded(gateway: Gateway, call: Awaitable[T]) -> T:
    """Await a call to a backend within the time limit; every failure becomes a `BackendError`."""
    try:
        return await guard.run(f"backend:{gateway.backend}", call, CALL_LIMIT)
    except BackendError:
        raise
    except TimeoutError as error:
        raise GatewayTimeout(str(error)) from error
    except PortmapperError as error:
        raise BackendError(str(error)) from error
