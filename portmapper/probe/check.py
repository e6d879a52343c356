"""Checks open ports with a probe server: asks it, watches this host meanwhile, and judges."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence

from portmapper.api.model import IPAddress, Protocol
from portmapper.probe.attempt import Attempt
from portmapper.probe.connections import parsed
from portmapper.probe.evidence import Cause, OpenPort, State, Verdict
from portmapper.probe.exchange import ProbeError, ProbeServer, addresses_of
from portmapper.probe.verdict import judge
from portmapper.probe.wire import MAX_PORTS

LONGEST_WAIT = 60
"""Seconds to wait at most for a server that has too many requests."""

Outcome = tuple[OpenPort, Verdict]


async def check_ports(server: ProbeServer, ports: Sequence[OpenPort]) -> list[Outcome]:
    """Check each port; a server that cannot be asked leaves its ports unknown, with the reason."""
    outcomes: list[Outcome] = []
    for group in _groups(ports):
        outcomes += await _check_group(server, group)
    order = {id(port): place for place, port in enumerate(ports)}
    return sorted(outcomes, key=lambda outcome: order[id(outcome[0])])


async def _check_group(server: ProbeServer, group: Sequence[OpenPort]) -> list[Outcome]:
    """Check ports of one internal address."""
    outcomes: list[Outcome] = []
    try:
        addresses = await addresses_of(server)
        version = _version(group[0]) or addresses[0].version
        address = next((address for address in addresses if address.version == version), None)
        if address is None:
            return [(port, _wrong_family(version)) for port in group]
        local = _local_address(group[0]) or _address_towards(address)
        for part in _parts(group):
            outcomes += await _check_part(server, part, address, local)
    except ProbeError as error:
        verdict = Verdict(State.UNKNOWN, Cause.NO_PROBE, str(error))
        outcomes += [(port, verdict) for port in group[len(outcomes) :]]
    return outcomes


def _wrong_family(version: int) -> Verdict:
    reason = f"the probe server has only IPv{10 - version} addresses, and the mapping is for IPv{version}"
    return Verdict(State.UNKNOWN, Cause.WRONG_FAMILY, reason)


def _version(port: OpenPort) -> int | None:
    return port.internal_address.version if port.internal_address is not None else None


def _address_towards(address: IPAddress) -> IPAddress | None:
    """Return the address of this host that leads to the server; nothing is sent."""
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))
            return parsed(probe.getsockname()[0])
    except OSError:
        return None


async def _check_part(
    server: ProbeServer, ports: Sequence[OpenPort], address: IPAddress, local: IPAddress | None
) -> list[Outcome]:
    """Check the ports of one request; wait and repeat it once if the server has too many."""
    try:
        attempt = await Attempt(server, ports, address, local).run()
    except ProbeError as error:
        if error.wait is None or error.wait > LONGEST_WAIT:
            raise
        await asyncio.sleep(error.wait)
        attempt = await Attempt(server, ports, address, local).run()
    return [(port, judge(evidence)) for port, evidence in zip(ports, attempt, strict=True)]


def _local_address(port: OpenPort) -> IPAddress | None:
    """Return the address to send the request from, so that it takes the way of the mapping."""
    return port.internal_address if port.is_ours else None


def _groups(ports: Sequence[OpenPort]) -> Iterator[list[OpenPort]]:
    groups: dict[IPAddress | None, list[OpenPort]] = {}
    for port in ports:
        groups.setdefault(_local_address(port), []).append(port)
    yield from groups.values()


def _parts(group: Sequence[OpenPort]) -> Iterator[list[OpenPort]]:
    """Split a group into requests, in order; a request has each external port once."""
    part: list[OpenPort] = []
    known: set[tuple[Protocol, int]] = set()
    for port in group:
        if len(part) == MAX_PORTS or (port.protocol, port.port) in known:
            yield part
            part, known = [], set()
        part.append(port)
        known.add((port.protocol, port.port))
    if part:
        yield part
