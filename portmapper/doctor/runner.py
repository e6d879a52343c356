"""The examination, from this host outwards; a cause that explains the rest ends its part."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime

import attrs

from portmapper.actions.tables import GatewayTables
from portmapper.api.backend import Backend, Diagnoses, Gateway, Target
from portmapper.api.errors import BackendError
from portmapper.api.findings import Finding, Severity
from portmapper.api.model import ANY_PORT, Family, IPAddress
from portmapper.doctor.desired import Desired
from portmapper.doctor.firewall import firewall_findings, read_firewall
from portmapper.doctor.gateways import address_findings, answer_findings, grant_findings
from portmapper.doctor.host import route_findings
from portmapper.doctor.listening import listening_findings, read_listeners
from portmapper.doctor.ports import held_by_another, holder_of, judged
from portmapper.doctor.trial_mapping import try_any_port, try_port
from portmapper.gateways.calls import read_external_address
from portmapper.network.host import Network
from portmapper.network.placement import search_targets
from portmapper.store.leases import StoredLease

MOST_PORTS = 64
"""Wanted ports that test mappings are made for; a gateway takes a while for each."""

SILENCE = frozenset({"upnp-off", "ssdp-blocked"})
"""What a protocol is only to blame for when its gateway was not found."""

PROBLEMS = (Severity.ERROR, Severity.WARNING)


@attrs.frozen
class Question:
    """What is to be examined.

    Attributes:
        backends: best first.
        network: this host's interfaces and routes.
        chosen: gateways that the user named, None for all that are found.
        wanted: the ports.
        leases: ours, as they stand.
        now: the time.
        may_try: make test mappings.
    """

    backends: Sequence[Backend]
    network: Network
    chosen: Sequence[Target] | None
    desired: Sequence[Desired]
    leases: Sequence[StoredLease]
    now: datetime
    may_try: bool = True

    @property
    def targets(self) -> Sequence[Target]:
        """Where to look for gateways."""
        return search_targets(self.network) if self.chosen is None else self.chosen


async def examine(question: Question) -> AsyncIterator[Finding]:
    """Yield what is found, in order."""
    way_out = list(route_findings(question.network, question.chosen))
    for finding in way_out:
        yield finding
    if not _problem(way_out):
        async for finding in _gateways(question):
            yield finding
    for finding in await asyncio.to_thread(lambda: list(_host(question))):
        yield finding


async def _gateways(question: Question) -> AsyncIterator[Finding]:
    diagnosing = asyncio.create_task(_diagnoses(question))
    try:
        async with GatewayTables(
            question.backends, question.targets, question.leases, question.now
        ) as tables:
            told = _relevant(await diagnosing, tables.gateways)
            silent = not tables.gateways and any(finding.code == "ssdp-blocked" for finding in told)
            for finding in [] if silent else answer_findings(tables.gateways, tables.silences):
                yield finding
            for finding in told:
                yield finding
            gateways = [g for g in tables.gateways if g.local_address.version == 4]
            if gateways and not _problem(told, "double-nat"):
                async for finding in _grants(question, gateways, tables):
                    yield finding
    finally:
        diagnosing.cancel()
        await asyncio.gather(diagnosing, return_exceptions=True)


async def _grants(
    question: Question, gateways: Sequence[Gateway], tables: GatewayTables
) -> AsyncIterator[Finding]:
    trial = await try_any_port(gateways) if question.may_try else None
    outside = await asyncio.gather(*(_outside(gateway) for gateway in gateways))
    address = list(address_findings(outside, trial))
    for finding in address:
        yield finding
    if trial is None or _problem(address):
        return
    for finding in grant_findings(trial):
        yield finding
    if trial.lease is not None:
        for desired in question.desired[:MOST_PORTS]:
            if desired.family is Family.IPV4:
                yield await _port(question, desired, gateways, tables)


async def _port(
    question: Question, desired: Desired, gateways: Sequence[Gateway], tables: GatewayTables
) -> Finding:
    if desired.is_open:
        return Finding.ok("port-denied", f"{desired} is open")
    holder = holder_of(desired, [row.entry for row in tables.rows]) if desired.port != ANY_PORT else None
    if (held := held_by_another(desired, holder)) is not None:
        return held
    if holder is not None:
        # A test mapping would take the place of what this very host has there, and close it.
        return Finding.ok("port-denied", f"{desired} is open already, by another program")
    trial = await try_port(gateways, desired)
    return judged(desired, trial, question.network.is_ours, bool(tables.readable))


async def _diagnoses(question: Question) -> list[tuple[str, Finding]]:
    """Ask each backend that has more to tell, of the first place that has a gateway."""
    target = next((t for t in question.targets if t.family is Family.IPV4 and t.gateway is not None), None)
    if target is None:
        return []
    able = [backend for backend in question.backends if isinstance(backend, Diagnoses)]
    answers = await asyncio.gather(*(_diagnosis(backend, target) for backend in able))
    return [pair for answer in answers for pair in answer]


async def _diagnosis(backend: Backend, target: Target) -> list[tuple[str, Finding]]:
    assert isinstance(backend, Diagnoses)
    try:
        async with asyncio.timeout(DIAGNOSIS_LIMIT):
            return [(backend.name, finding) for finding in await backend.diagnose(target)]
    except (BackendError, TimeoutError):
        return []


DIAGNOSIS_LIMIT = 15.0
"""Seconds for what one backend looks at."""


def _relevant(told: Sequence[tuple[str, Finding]], gateways: Sequence[Gateway]) -> list[Finding]:
    """Leave out what the search itself disproves, and that a protocol is off where none is on."""
    found = {gateway.backend for gateway in gateways}
    return [
        finding
        for backend, finding in told
        if not (finding.code in SILENCE and backend in found)
        and not (finding.code == "upnp-off" and not found)
    ]


async def _outside(gateway: Gateway) -> IPAddress | None:
    try:
        return await read_external_address(gateway)
    except BackendError:
        return None


def _host(question: Question) -> Iterator[Finding]:
    """Look at this host's programs and its firewall; both take no part in what gateways do."""
    listeners = read_listeners()
    if listeners is not None:
        yield from listening_findings(question.desired, listeners, question.network.is_ours)
    firewall = read_firewall() if question.desired else None
    if firewall is not None:
        yield from firewall_findings(question.desired, firewall, question.network.interface_of)


def _problem(findings: Sequence[Finding], code: str = "") -> bool:
    return any(finding.severity in PROBLEMS and code in ("", finding.code) for finding in findings)
