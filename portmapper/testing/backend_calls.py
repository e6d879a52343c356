"""The calls of the backend contract: find the gateway, map and unmap, with a time limit each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import cast

from portmapper.api.backend import Gateway
from portmapper.api.errors import BackendError
from portmapper.api.model import Lease, MapRequest, Protocol
from portmapper.gateways.bounded import CALL_LIMIT
from portmapper.gateways.calls import lease_fault
from portmapper.gateways.probe import gateway_fault
from portmapper.testing.calls import LONG, outcome
from portmapper.testing.subjects import BackendSubject

LIFETIME = 600


@asynccontextmanager
async def closing(subject: BackendSubject) -> AsyncIterator[None]:
    """Close the backend at the end of the block."""
    try:
        yield
    finally:
        await asyncio.wait_for(subject.backend.close(), LONG)


@asynccontextmanager
async def found(subject: BackendSubject) -> AsyncIterator[Gateway]:
    """Find the gateway and yield it; close it and the backend at the end of the block."""
    async with closing(subject):
        gateway = await asyncio.wait_for(first(subject), LONG)
        reason = gateway_fault(gateway, subject.backend)
        assert reason is None, reason
        try:
            yield gateway
        finally:
            await asyncio.wait_for(gateway.close(), LONG)


async def first(subject: BackendSubject) -> Gateway:
    """Return the first gateway that the backend finds, and stop the search."""
    search = cast(AsyncGenerator[Gateway, None], subject.backend.discover(subject.target))
    async with aclosing(search):
        async for gateway in search:
            return gateway
    raise AssertionError("the backend finds no gateway at the subject's target")


async def all_found(subject: BackendSubject) -> list[Gateway]:
    """Run the search to its end; a backend error counts as no gateway."""
    search = cast(AsyncGenerator[Gateway, None], subject.backend.discover(subject.target))
    async with aclosing(search):
        try:
            return [gateway async for gateway in search]
        except BackendError:
            return []


async def use(subject: BackendSubject) -> None:
    """Find the gateway, open a port, close the port, and close the gateway."""
    async with found(subject) as gateway:
        lease = await granted(gateway, request_for(subject, gateway))
        await outcome(gateway.external_address(), BackendError, CALL_LIMIT)
        await released(gateway, lease)


def request_for(subject: BackendSubject, gateway: Gateway, number: int = 0) -> MapRequest:
    """Return a request to map one of the subject's ports, by its index, to this host."""
    port = subject.ports[number]
    token = b"contract" + number.to_bytes(4, "big")
    return MapRequest(Protocol.TCP, gateway.local_address, port, port, LIFETIME, "contract", token)


async def granted(gateway: Gateway, request: MapRequest) -> Lease:
    """Map a port, and assert that the gateway grants it."""
    answer = await outcome(gateway.map(request), BackendError, CALL_LIMIT)
    assert isinstance(answer, Lease), f"a free port was refused: {answer!r}"
    return answer


async def released(gateway: Gateway, lease: Lease) -> None:
    """Unmap a lease, and assert that this succeeds."""
    answer = await outcome(gateway.unmap(lease), BackendError, CALL_LIMIT)
    assert answer is None, f"unmap returned {answer!r}"


def check_lease(lease: Lease, request: MapRequest, gateway: Gateway) -> None:
    """Assert that the core accepts the lease and can recognize it later."""
    reason = lease_fault(lease, request)
    assert reason is None, reason
    assert lease.backend == gateway.backend
    assert lease.gateway == gateway.identity
    assert lease.token == request.token
    assert lease.permanent or lease.lifetime > 0
