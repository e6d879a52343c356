"""Calls to one gateway: time limits, conflict policy, and checks of every answer."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

import attrs

from portmapper.api.backend import ChecksTable, Gateway, ListsMappings, VerifiesLeases
from portmapper.api.errors import BackendError, Conflict, PluginFault, quoted
from portmapper.api.model import MAX_DURATION, ConflictPolicy, IPAddress, Lease, MapRequest, TableEntry
from portmapper.gateways.bounded import TABLE_LIMIT, bounded, map_at, unmap_at
from portmapper.pluginhost.faults import record_fault

if TYPE_CHECKING:
    from portmapper.api.connection import Connection, DescribesConnection

MAX_ENTRIES = 65_536

OTHER_PORT = 'Use another port, or set conflict = "next".'

_log = logging.getLogger(__name__)

MakeRoom = Callable[[TableEntry | None], Awaitable[bool]]
"""Releases the holder of a port if it is ours, and returns whether it did; None if the holder is unknown."""


async def request_lease(
    gateway: Gateway, request: MapRequest, policy: ConflictPolicy, make_room: MakeRoom
) -> Lease:
    """Request a lease that satisfies the conflict policy.

    Except under `fail`, replace the holder of the port if it is ours. If the request is exact and the gateway
    grants another port, release that port again.

    Raises:
        BackendError: the gateway refused the request, or its lease is not acceptable.
    """
    try:
        return await _request(gateway, request, policy, make_room)
    except Conflict as conflict:
        # If the request is not exact, the gateway could have granted another port.
        conflict.advice = OTHER_PORT if request.exact else ""
        raise


async def _request(
    gateway: Gateway, request: MapRequest, policy: ConflictPolicy, make_room: MakeRoom
) -> Lease:
    try:
        return await _map_exactly(gateway, request)
    except Conflict as conflict:
        # A gateway that names the holder and could replace it has already done so.
        could_replace = request.replace and conflict.holder is not None
        if policy is ConflictPolicy.FAIL or could_replace or not await make_room(conflict.holder):
            raise
        return await _map_exactly(gateway, attrs.evolve(request, replace=True))


async def _map_exactly(gateway: Gateway, request: MapRequest) -> Lease:
    """Request a lease; release a port that is not the requested one, and raise `Conflict`."""
    lease = await _map(gateway, request)
    if not request.exact or lease.external_port == request.external_port:
        return lease
    conflict = Conflict(f"port {request.external_port} is taken; the gateway offered {lease.external_port}")
    if not await try_release(gateway, lease):
        conflict.unreleased = lease
    raise conflict


async def read_table(gateway: ListsMappings) -> Sequence[TableEntry]:
    """Read a gateway's whole table. Raise `BackendError`."""
    assert isinstance(gateway, Gateway)
    entries = await bounded(gateway, gateway.list_mappings(), TABLE_LIMIT)
    if not isinstance(entries, Sequence) or len(entries) > MAX_ENTRIES:
        raise _fault(gateway, f"it returned {quoted(entries)} as its table")
    if wrong := [entry for entry in entries if not isinstance(entry, TableEntry)]:
        raise _fault(gateway, f"it returned {quoted(wrong[0])} as an entry of its table")
    return entries


async def read_connection(gateway: DescribesConnection) -> Connection:
    """Return what a gateway reports about its connection. Raise `BackendError`."""
    from portmapper.api.connection import Connection  # needed only for `discover -v`

    assert isinstance(gateway, Gateway)
    connection = await bounded(gateway, gateway.connection())
    if not isinstance(connection, Connection):
        raise _fault(gateway, f"it returned {quoted(connection)} as its connection")
    return connection


async def verify_lease(gateway: VerifiesLeases, lease: Lease) -> bool:
    """Return whether the gateway still holds a lease. Raise `BackendError`."""
    assert isinstance(gateway, Gateway)
    answer = await bounded(gateway, gateway.holds(lease))
    if not isinstance(answer, bool):
        raise _fault(gateway, f"`holds` returned {quoted(answer)}, not true or false")
    return answer


async def table_may_have_changed(gateway: ChecksTable) -> bool:
    """Return whether the leases of a gateway have to be verified. Raise `BackendError`."""
    assert isinstance(gateway, Gateway)
    answer = await bounded(gateway, gateway.table_may_have_changed())
    if not isinstance(answer, bool):
        raise _fault(gateway, f"`table_may_have_changed` returned {quoted(answer)}, not true or false")
    return answer


async def read_external_address(gateway: Gateway) -> IPAddress | None:
    """Query the external address. Raise `BackendError`."""
    address = await bounded(gateway, gateway.external_address())
    if not isinstance(address, IPv4Address | IPv6Address | None):
        raise _fault(gateway, f"it returned {quoted(address)} as its external address")
    return address


async def try_release(gateway: Gateway, lease: Lease) -> bool:
    """Release a lease and return whether that succeeded."""
    try:
        await unmap_at(gateway, lease)
    except BackendError as error:
        _log.debug("%s: cannot release port %d: %s", gateway.backend, lease.external_port, error)
        return False
    return True


async def _map(gateway: Gateway, request: MapRequest) -> Lease:
    """Request a lease and check the answer: a third-party backend may return anything."""
    lease = await map_at(gateway, request)
    if (reason := lease_fault(lease, request)) is not None:
        raise _fault(gateway, reason)
    as_told = (lease.gateway, lease.backend, lease.token)
    correct = (gateway.identity, gateway.backend, request.token)
    if as_told == correct and lease.lifetime <= MAX_DURATION:
        return lease
    identity, backend, token = correct
    lifetime = min(lease.lifetime, MAX_DURATION)
    return attrs.evolve(lease, lifetime=lifetime, gateway=identity, backend=backend, token=token)


def lease_fault(lease: object, request: MapRequest) -> str | None:
    """Return what is invalid in the answer to a request, or None for a valid lease."""
    if not isinstance(lease, Lease):
        return f"it returned {quoted(lease)}, which is not a lease"
    internal = (lease.protocol, lease.internal_address, lease.internal_port)
    if internal != (request.protocol, request.internal_address, request.internal_port):
        return f"it returned a lease for {_describe(internal)}, not for the requested {request.internal_port}"
    if not _is_number(lease.external_port) or not 1 <= lease.external_port <= 65535:
        return f"it returned a lease with port {quoted(lease.external_port)}"
    if not _is_number(lease.lifetime) or (lease.lifetime <= 0 and lease.permanent is not True):
        return f"it returned a lease of {quoted(lease.lifetime)} s for port {lease.external_port}"
    if not isinstance(lease.external_address, IPv4Address | IPv6Address | None):
        return f"it returned a lease with the external address {quoted(lease.external_address)}"
    if lease.remote != request.remote:
        return f"it returned a lease for the remote hosts {quoted(lease.remote)}, not for {request.remote}"
    if not isinstance(lease.private, str) or not isinstance(lease.permanent, bool):
        return "it returned a lease whose `private` is not a string or whose `permanent` is not a bool"
    return None


def _describe(internal: tuple[object, ...]) -> str:
    protocol, address, port = (str(value)[:40] for value in internal)
    return f"{protocol} port {port} of {address}"


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _fault(gateway: Gateway, reason: str) -> PluginFault:
    return record_fault(f"backend:{gateway.backend}", reason)
