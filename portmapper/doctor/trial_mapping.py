"""Test mappings: made, looked at, and given back at once."""

from __future__ import annotations

import random
import secrets
from collections.abc import Sequence

import attrs

from portmapper.api.backend import Gateway
from portmapper.api.errors import BackendError, Conflict, NotAuthorized, Unsupported
from portmapper.api.model import ANY_PORT, Lease, MapRequest, Protocol
from portmapper.doctor.desired import Desired
from portmapper.gateways.calls import bounded, try_release

LIFETIME = 120
"""Seconds after which it is gone even when we are not there to give it back; miniupnpd's least."""

HIGH_PORTS = range(49152, 65536)
TRIES = 3
COMMENT = "portmapper doctor"
TOKEN_LENGTH = 12


@attrs.frozen
class TrialMapping:
    """What came of one.

    Attributes:
        lease: what was granted, and is given back; None when nothing was.
        errors: what each gateway said that granted nothing, the best first.
    """

    lease: Lease | None
    errors: Sequence[BackendError]

    def refused_with(self, *kinds: type[BackendError]) -> BackendError | None:
        """Return the first refusal of such a kind."""
        return next((error for error in self.errors if isinstance(error, kinds)), None)


async def try_any_port(gateways: Sequence[Gateway]) -> TrialMapping:
    """Ask for a high port of this host, and for another when it happens to be taken."""
    trial = TrialMapping(None, ())
    for port in random.sample(HIGH_PORTS, TRIES):
        own = gateways[0].local_address
        trial = await try_port(gateways, Desired(Protocol.TCP, port, own, port))
        if trial.lease is not None or trial.refused_with(Conflict) is None:
            break
    return trial


async def try_port(gateways: Sequence[Gateway], desired: Desired) -> TrialMapping:
    """Ask one gateway after the other for a port until one grants it, and give it back."""
    errors: list[BackendError] = []
    for gateway in gateways:
        try:
            return TrialMapping(await _ask(gateway, desired), errors)
        except BackendError as error:
            errors.append(error)
    return TrialMapping(None, errors)


async def _ask(gateway: Gateway, desired: Desired) -> Lease:
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
    if not await try_release(gateway, lease):
        raise NotAuthorized(f"it grants port {lease.external_port}, and does not take it back")
    if request.exact and lease.external_port != desired.port:
        raise Conflict(f"port {desired.port} is not to be had; the gateway offered {lease.external_port}")
    return lease
