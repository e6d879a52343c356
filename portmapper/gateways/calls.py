"""Asks one gateway for one mapping, under its conflict policy, and holds the answer to its word."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import TypeVar

import attrs

from portmapper.api.backend import Gateway, ListsMappings, VerifiesLeases
from portmapper.api.errors import BackendError, Conflict, GatewayTimeout, PluginFault, PortmapperError, quoted
from portmapper.api.model import MAX_DURATION, ConflictPolicy, IPAddress, Lease, MapRequest, TableEntry
from portmapper.pluginhost import guard
from portmapper.pluginhost.faults import record_fault

CALL_LIMIT = 20.0
"""Seconds after which a backend that keeps no bound of its own is cut off."""

MAX_ENTRIES = 65_536

T = TypeVar("T")

_log = logging.getLogger(__name__)

MakeRoom = Callable[[TableEntry | None], Awaitable[bool]]
"""Told who holds the port (None when the protocol does not say), makes room if it is ours to do so."""


async def request_lease(
    gateway: Gateway, request: MapRequest, policy: ConflictPolicy, make_room: MakeRoom
) -> Lease:
    """Return the lease, on a port that the policy allows.

    Under `own` what stands in the way is replaced when it is ours. A port other than the wanted one
    is released again where the request is exact.

    Raises:
        BackendError: what the gateway refused, or why its grant is not accepted.
    """
    try:
        return await _map_exactly(gateway, request)
    except Conflict as conflict:
        if policy is ConflictPolicy.FAIL or request.replace or not await make_room(conflict.holder):
            raise
        return await _map_exactly(gateway, attrs.evolve(request, replace=True))


async def _map_exactly(gateway: Gateway, request: MapRequest) -> Lease:
    """Ask; a port that will not do is given back at once, and is a conflict whose holder is not told."""
    lease = await _map(gateway, request)
    if not request.exact or lease.external_port == request.external_port:
        return lease
    await try_release(gateway, lease)
    raise Conflict(f"port {request.external_port} is taken; the gateway offered {lease.external_port}")


async def bounded(gateway: Gateway, call: Awaitable[T]) -> T:
    """Await a backend's call within its time; whatever goes wrong in it becomes a `BackendError`."""
    try:
        return await guard.run(f"backend:{gateway.backend}", call, CALL_LIMIT)
    except BackendError:
        raise
    except TimeoutError as error:
        raise GatewayTimeout(str(error)) from error
    except PortmapperError as error:
        raise BackendError(str(error)) from error


async def read_table(gateway: ListsMappings) -> Sequence[TableEntry]:
    """Read a gateway's whole table. Raises `BackendError`."""
    assert isinstance(gateway, Gateway)
    entries = await bounded(gateway, gateway.list_mappings())
    if not isinstance(entries, Sequence) or len(entries) > MAX_ENTRIES:
        raise _fault(gateway, f"it returned {quoted(entries)} as its table")
    if wrong := [entry for entry in entries if not isinstance(entry, TableEntry)]:
        raise _fault(gateway, f"it returned {quoted(wrong[0])} as an entry of its table")
    return entries


async def verify_lease(gateway: VerifiesLeases, lease: Lease) -> bool:
    """Ask whether a lease stands. Raises `BackendError`."""
    assert isinstance(gateway, Gateway)
    answer = await bounded(gateway, gateway.holds(lease))
    if not isinstance(answer, bool):
        raise _fault(gateway, f"it returned {quoted(answer)} when asked whether it holds a lease")
    return answer


async def read_external_address(gateway: Gateway) -> IPAddress | None:
    """Ask for the outside address. Raises `BackendError`."""
    address = await bounded(gateway, gateway.external_address())
    if not isinstance(address, IPv4Address | IPv6Address | None):
        raise _fault(gateway, f"it told {quoted(address)} as outside address")
    return address


async def try_release(gateway: Gateway, lease: Lease) -> bool:
    """Release a lease that is not wanted; tell whether it could be."""
    try:
        await bounded(gateway, gateway.unmap(lease))
    except BackendError as error:
        _log.debug("%s: cannot give back port %d: %s", gateway.backend, lease.external_port, error)
        return False
    return True


async def _map(gateway: Gateway, request: MapRequest) -> Lease:
    """Ask, and check the answer: a stranger's backend may return anything."""
    lease = await bounded(gateway, gateway.map(request))
    if (reason := lease_fault(lease, request)) is not None:
        raise _fault(gateway, reason)
    return attrs.evolve(
        lease,
        lifetime=min(lease.lifetime, MAX_DURATION),
        gateway=gateway.identity,
        backend=gateway.backend,
        token=request.token,
    )


def lease_fault(lease: object, request: MapRequest) -> str | None:
    """Say what cannot be so in an answer to this request; None when it is a lease for it."""
    if not isinstance(lease, Lease):
        return f"it returned {quoted(lease)} and no lease"
    inside = (lease.protocol, lease.internal_address, lease.internal_port)
    if inside != (request.protocol, request.internal_address, request.internal_port):
        return f"it returned a lease for {_words(inside)} when asked for {request.internal_port}"
    if not _is_number(lease.external_port) or not 1 <= lease.external_port <= 65535:
        return f"it returned a lease of port {quoted(lease.external_port)}"
    if not _is_number(lease.lifetime) or (lease.lifetime <= 0 and lease.permanent is not True):
        return f"it returned a lease of port {lease.external_port} for {quoted(lease.lifetime)} s"
    if not isinstance(lease.external_address, IPv4Address | IPv6Address | None):
        return f"it returned a lease at {quoted(lease.external_address)}"
    if not isinstance(lease.private, str) or not isinstance(lease.permanent, bool):
        return "it returned a lease whose `private` is no text, or whose `permanent` is no truth value"
    return None


def _words(inside: tuple[object, ...]) -> str:
    protocol, address, port = (str(value)[:40] for value in inside)
    return f"{protocol} port {port} of {address}"


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _fault(gateway: Gateway, reason: str) -> PluginFault:
    return record_fault(f"backend:{gateway.backend}", reason)
