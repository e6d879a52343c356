"""Asks one gateway for one mapping, under its conflict policy, and holds the answer to its word."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address
from typing import TypeVar

import attrs

from portmapper.backend import Gateway
from portmapper.errors import BackendError, Conflict, GatewayTimeout, quoted
from portmapper.model import MAX_DURATION, ConflictPolicy, IPAddress, Lease, MapRequest, TableEntry

CALL_LIMIT = 20.0
"""Seconds after which a backend that keeps no bound of its own is cut off."""

T = TypeVar("T")

_log = logging.getLogger(__name__)

MakeWay = Callable[[TableEntry | None], Awaitable[bool]]
"""Told who holds the port (None when the protocol does not say), makes room if it is ours to do so."""


async def ask(gateway: Gateway, request: MapRequest, policy: ConflictPolicy, make_way: MakeWay) -> Lease:
    """Return the lease, on a port that the policy allows.

    Under `own` what stands in the way is replaced when it is ours. A port other than the wanted one
    is released again where the request is exact.

    Raises:
        BackendError: what the gateway refused, or why its grant is not accepted.
    """
    try:
        lease = await _map(gateway, request)
    except Conflict as conflict:
        if policy is ConflictPolicy.FAIL or request.replace or not await make_way(conflict.holder):
            raise
        lease = await _map(gateway, attrs.evolve(request, replace=True))
    if not request.exact or lease.external_port == request.external_port:
        return lease
    await give_back(gateway, lease)
    raise Conflict(f"port {request.external_port} is taken; the gateway offered {lease.external_port}")


async def bounded(gateway: Gateway, call: Awaitable[T]) -> T:
    """Await a backend's call within its time; whatever goes wrong in it becomes a `BackendError`."""
    try:
        async with asyncio.timeout(CALL_LIMIT):
            return await call
    except BackendError:
        raise
    except TimeoutError as error:
        raise GatewayTimeout(f"no answer within {CALL_LIMIT:.0f} s") from error
    except Exception as error:
        _log.exception("backend %s failed", gateway.backend)
        raise BackendError(f"the backend is broken: {type(error).__name__}: {error}") from error


async def outside_address(gateway: Gateway) -> IPAddress | None:
    """Ask for the outside address. Raises `BackendError`."""
    return await bounded(gateway, _checked_address(gateway))


async def give_back(gateway: Gateway, lease: Lease) -> bool:
    """Release a lease that is not wanted; tell whether it could be."""
    try:
        await bounded(gateway, gateway.unmap(lease))
    except BackendError as error:
        _log.debug("%s: cannot give back port %d: %s", gateway.backend, lease.external_port, error)
        return False
    return True


async def _map(gateway: Gateway, request: MapRequest) -> Lease:
    """Ask, and check the answer within the bound too: a stranger's backend may return anything."""
    return await bounded(gateway, _checked(gateway, request))


async def _checked_address(gateway: Gateway) -> IPAddress | None:
    address = await gateway.external_address()
    if not isinstance(address, IPv4Address | IPv6Address | None):
        raise BackendError(f"the backend told {quoted(address)} as outside address")
    return address


async def _checked(gateway: Gateway, request: MapRequest) -> Lease:
    lease = await gateway.map(request)
    if (lease.protocol, lease.internal_port) != (request.protocol, request.internal_port):
        raise BackendError(f"the backend answered for {lease.protocol} port {lease.internal_port}")
    if not 1 <= lease.external_port <= 65535 or (lease.lifetime <= 0 and not lease.permanent):
        raise BackendError(f"the gateway granted port {lease.external_port} for {lease.lifetime} s")
    return attrs.evolve(
        lease,
        lifetime=min(lease.lifetime, MAX_DURATION),
        gateway=gateway.identity,
        backend=gateway.backend,
        token=request.token,
    )
