"""Asks every backend everywhere, once, and waits for every answer: what `discover` shows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import attrs

from portmapper.api.backend import Backend, Gateway, Target
from portmapper.api.errors import BackendError
from portmapper.api.model import IPAddress
from portmapper.gateways.calls import read_external_address
from portmapper.gateways.probe import Probe
from portmapper.pluginhost import guard


@attrs.frozen
class Discovered:
    """What was found.

    Attributes:
        gateways: all that answered, best first, each with its outside address.
        failures: backend name to the reason why it found nothing.
    """

    gateways: Sequence[tuple[Gateway, IPAddress | None]]
    failures: Mapping[str, BackendError]


async def survey(backends: Sequence[Backend], targets: Sequence[Target]) -> Discovered:
    """Probe every target with every backend; closes all that it opened."""
    searches = [Probe(target, backends, lambda _: None) for target in targets]
    try:
        await asyncio.gather(*(search.round() for search in searches))
        gateways = _distinct(searches)
        outside = await asyncio.gather(*(_outside(gateway) for gateway in gateways))
        failures = {name: error for search in searches for name, error in search.failures.items()}
        return Discovered(list(zip(gateways, outside, strict=True)), failures)
    finally:
        for search in searches:
            await search.close()
        for backend in backends:
            await guard.close(f"backend:{backend.name}", backend)


def _distinct(searches: Sequence[Probe]) -> list[Gateway]:
    """Name each gateway once, though it may answer on two interfaces."""
    found: dict[str, Gateway] = {}
    for search in searches:
        for gateway in search.gateways:
            found.setdefault(gateway.identity, gateway)
    return list(found.values())


async def _outside(gateway: Gateway) -> IPAddress | None:
    try:
        return await read_external_address(gateway)
    except BackendError:
        return None
