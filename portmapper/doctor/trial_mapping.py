"""Test mappings: request them, check them, and release them immediately."""

from __future__ import annotations

import random
import secrets
from collections.abc import Awaitable, Callable, Sequence

import attrs

from portmapper.api.backend import Gateway
from portmapper.api.errors import BackendError, Conflict, NotAuthorized, Unsupported
from portmapper.api.model import ANY_PORT, Lease, MapRequest, Protocol
from portmapper.doctor.desired import DesiredPort
from portmapper.gateways.bounded import bounded
from portmapper.gateways.calls import try_release

LIFETIME = 120
"""Lifetime in seconds, if the release fails; many gateways grant no less."""

HIGH_PORTS = range(49152, 65536)
MAX_ATTEMPTS = 3
COMMENT = "portmapper doctor"
TOKEN_LENGTH = 12


WhileOpen = Callable[[Gateway, Lease], Awaitable[None]]
"""Called with a granted test mapping before it is released."""


@attrs.frozen
class TrialResult:
    """The result of a test mapping.

    Attributes:
        lease: the granted lease, which has been released; None if no gateway granted one.
        errors: the errors of the gateways that refused, best gateway first.
    """

    lease: Lease | None
    errors: Sequence[BackendError]

    def refused_with(self, *kinds: type[BackendError]) -> BackendError | None:
        """Return the first error of one of these types."""
        return next((error for error in self.errors if isinstance(error, kinds)), None)


async def request_any_port(gateways: Sequence[Gateway], while_open: WhileOpen | None = None) -> TrialResult:
    """Request a high port for this host; on a conflict, try another one."""
    trial = TrialResult(None, ())
    for port in random.sample(HIGH_PORTS, MAX_ATTEMPTS):
        local = gateways[0].local_address
        trial = await request_port(gateways, DesiredPort(Protocol.TCP, port, local, port), while_open)
        if trial.lease is not None or trial.refused_with(Conflict) is None:
            break
    return trial


async def request_port(
    gateways: Sequence[Gateway], desired: DesiredPort, while_open: WhileOpen | None = None
) -> TrialResult:
    """Request a port from one gateway after another until one grants it; call `while_open`; release it."""
    errors: list[BackendError] = []
    for gateway in gateways:
        try:
            return TrialResult(await _request_and_release(gateway, desired, while_open), errors)
        except BackendError as error:
            errors.append(error)
    return TrialResult(None, errors)


async def _request_and_release(gateway: Gateway, desired: DesiredPort, while_open: WhileOpen | None) -> Lease:
    if desired.family.version != gateway.local_address.version:
        raise Unsupported("the gateway opens no port for that family")
    request = MapRequest(
        protocol=desired.protocol,
        internal_address=desired.internal_address,
        internal_port=desired.internal_port,
        external_port=desired.port,
        lifetime=LIFETIME,
        comment=COMMENT,
        token=secrets.token_bytes(TOKEN_LENGTH),
        exact=desired.port != ANY_PORT,
    )
    lease = await bounded(gateway, gateway.map(request))
    lease = attrs.evolve(lease, gateway=gateway.identity, backend=gateway.backend, token=request.token)
    try:
        if while_open is not None:
            await while_open(gateway, lease)
    finally:
        is_released = await try_release(gateway, lease)
    if not is_released:
        raise NotAuthorized(f"the gateway granted port {lease.external_port} but does not release it")
    if request.exact and lease.external_port != desired.port:
        raise Conflict(f"port {desired.port} is not available; the gateway offered {lease.external_port}")
    return lease
