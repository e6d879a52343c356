"""Discovery with all backends on all networks, which waits for every answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import attrs

from portmapper.api.backend import Backend, Gateway, Target
from portmapper.api.errors import BackendError
from portmapper.api.model import IPAddress
from portmapper.gateways.calls import read_external_address
from portmapper.gateways.probe import Probe
from portmapper.pluginhost import guard


@attrs.frozen
class DiscoveryResult:
    """The gateways that answered, and why backends found none.

    Attributes:
        gateways: all gateways that answered, best first, each with its external address.
        failures: backend name to the reason why it found no gateway.
    """

    gateways: Sequence[tuple[Gateway, IPAddress | None]]
    failures: Mapping[str, BackendError]


async def discover_gateways(backends: Sequence[Backend], targets: Sequence[Target]) -> DiscoveryResult:
    """Probe every target with every backend, then close all connections."""
    async with probing(backends, targets) as probes:
        gateways = distinct(probes)
        addresses = await asyncio.gather(*(reported_address(gateway) for gateway in gateways))
        failures = {name: error for probe in probes for name, error in probe.failures.items()}
        return DiscoveryResult(list(zip(gateways, addresses, strict=True)), failures)


@asynccontextmanager
async def probing(backends: Sequence[Backend], targets: Sequence[Target]) -> AsyncIterator[Sequence[Probe]]:
    """Probe every target with every backend; the gateways that answered are usable inside the block."""
    probes = [Probe(target, backends, lambda _: None) for target in targets]
    try:
        await asyncio.gather(*(probe.round() for probe in probes))
        yield probes
    finally:
        for probe in probes:
            await probe.close()
        for backend in backends:
            await guard.close(f"backend:{backend.name}", backend)


def distinct(probes: Sequence[Probe]) -> list[Gateway]:
    """Return each gateway once, even if it answered on two interfaces."""
    found: dict[str, Gateway] = {}
    for probe in probes:
        for gateway in probe.gateways:
            found.setdefault(gateway.identity, gateway)
    return list(found.values())


async def reported_address(gateway: Gateway) -> IPAddress | None:
    """Return the external address that the gateway reports, None if it reports none."""
    try:
        return await read_external_address(gateway)
    except BackendError:
        return None
