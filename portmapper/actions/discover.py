"""Discovery with all backends on all networks, which ends when every protocol of the gateway has answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import attrs

from portmapper.api.backend import Backend, Gateway, Target
from portmapper.api.connection import Connection, DescribesConnection
from portmapper.api.errors import BackendError
from portmapper.api.model import IPAddress
from portmapper.gateways.brief import Brief, KnownGateways, NothingKnown
from portmapper.gateways.calls import read_connection, read_external_address
from portmapper.gateways.probe import Probe, hurry_others
from portmapper.pluginhost import guard


@attrs.frozen
class DiscoveryResult:
    """The gateways that answered, and why backends found none.

    Attributes:
        gateways: all gateways that answered, best first, each with its external address.
        failures: backend name to the reason why it found no gateway.
        connections: identity of a gateway to what it reports about its connection, if that was asked for.
    """

    gateways: Sequence[tuple[Gateway, IPAddress | None]]
    failures: Mapping[str, BackendError]
    connections: Mapping[str, Connection] = attrs.field(factory=dict)


async def discover_gateways(
    backends: Sequence[Backend],
    targets: Sequence[Target],
    *,
    details: bool = False,
    known: KnownGateways | None = None,
) -> DiscoveryResult:
    """Probe every target with every backend, then close all connections.

    With `details`, also ask each gateway that can tell about its connection to the internet.
    `known` is what the last run knew of gateways.
    """
    async with probing(backends, targets, known) as probes:
        gateways = distinct(probes)
        addresses = await asyncio.gather(*(reported_address(gateway) for gateway in gateways))
        failures = {name: error for probe in probes for name, error in probe.failures.items()}
        connections = await _connections(gateways) if details else {}
        return DiscoveryResult(list(zip(gateways, addresses, strict=True)), failures, connections)


@asynccontextmanager
async def probing(
    backends: Sequence[Backend], targets: Sequence[Target], known: KnownGateways | None = None
) -> AsyncIterator[Sequence[Probe]]:
    """Probe every target with every backend; the gateways that answered are usable inside the block."""
    brief = Brief(known or NothingKnown())
    probes: list[Probe] = []
    probes += [Probe(target, backends, lambda e: hurry_others(e, probes), brief=brief) for target in targets]
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


async def _connections(gateways: Sequence[Gateway]) -> dict[str, Connection]:
    async def ask(gateway: Gateway) -> Connection | None:
        assert isinstance(gateway, DescribesConnection)
        try:
            return await read_connection(gateway)
        except BackendError:
            return None

    able = [gateway for gateway in gateways if isinstance(gateway, DescribesConnection)]
    answers = await asyncio.gather(*(ask(gateway) for gateway in able))
    return {gateway.identity: answer for gateway, answer in zip(able, answers, strict=True) if answer}


async def reported_address(gateway: Gateway) -> IPAddress | None:
    """Return the external address that the gateway reports, None if it reports none."""
    try:
        return await read_external_address(gateway)
    except BackendError:
        return None
