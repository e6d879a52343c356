"""Run all checks, from this host outward; a finding that explains the rest skips the checks after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import datetime

import attrs

from portmapper.actions.tables import GatewayTables
from portmapper.api.backend import Backend, Diagnoses, Gateway, Target
from portmapper.api.errors import BackendError
from portmapper.api.findings import Finding, Severity
from portmapper.api.model import ANY_PORT, Family, IPAddress
from portmapper.doctor.desired import DesiredPort
from portmapper.doctor.firewall import firewall_findings, read_firewall
from portmapper.doctor.gateways import address_findings, answer_findings, grant_findings
from portmapper.doctor.host import route_findings
from portmapper.doctor.listening import listening_findings
from portmapper.doctor.outside import OutsideProbe
from portmapper.doctor.ports import entry_at, held_finding, port_finding
from portmapper.doctor.situation import container_finding, in_container_network, line_finding
from portmapper.doctor.trial_mapping import request_any_port, request_port
from portmapper.doctor.windows_firewall import read_windows_firewall, windows_firewall_findings
from portmapper.gateways.brief import KnownGateways, NothingKnown
from portmapper.gateways.calls import read_external_address
from portmapper.network.host import Network
from portmapper.network.listeners import read_listeners
from portmapper.network.placement import search_targets
from portmapper.store.stored_lease import StoredLease

MAX_TEST_MAPPINGS = 64
"""Maximum number of ports to make test mappings for; each takes the gateway some time."""

MAX_PROBED_PORTS = 8
"""Maximum number of ports that are not open to check from outside; each is open meanwhile."""

DISCOVERY_CODES = frozenset({"upnp-off", "ssdp-blocked"})
"""Findings of a protocol that only count if no gateway answered over this protocol."""

PROBLEMS = (Severity.ERROR, Severity.WARNING)


@attrs.frozen
class DoctorRequest:
    """What doctor checks.

    Attributes:
        backends: the backends, best first.
        network: this host's interfaces and routes.
        chosen: gateways that the user named; None for discovery.
        desired: the ports to check.
        leases: our leases.
        thorough: also run the diagnoses that take seconds.
        known: what the last run knew of gateways.
        now: the current time.
        may_probe: request test mappings from the gateways.
        on_step: called with what is done now, for a spinner.
        in_container: returns whether a network is a container's own.
        outside: asks a probe server; None for no probes from outside.
    """

    backends: Sequence[Backend]
    network: Network
    chosen: Sequence[Target] | None
    desired: Sequence[DesiredPort]
    leases: Sequence[StoredLease]
    now: datetime
    may_probe: bool = True
    on_step: Callable[[str], None] = lambda _: None
    in_container: Callable[[Network], bool] = in_container_network
    outside: OutsideProbe | None = None
    thorough: bool = True
    known: KnownGateways = attrs.field(factory=NothingKnown)

    @property
    def targets(self) -> Sequence[Target]:
        """The targets to search for gateways."""
        return search_targets(self.network) if self.chosen is None else self.chosen


async def run_checks(request: DoctorRequest) -> AsyncIterator[Finding]:
    """Run the checks and yield their findings in order."""
    line = line_finding(request.network, request.chosen)
    route = [line] if line else list(route_findings(request.network, request.chosen))
    request.on_step("searching for a gateway")
    for finding in route:
        yield finding
    if not _has_problem(route):
        async for finding in _gateway_findings(request):
            yield finding
    request.on_step("looking at the programs and the firewall of this host")
    for finding in await asyncio.to_thread(lambda: list(_host_findings(request))):
        yield finding
    if request.outside is not None:
        request.on_step("checking the open ports from outside")
        await request.outside.check_open()
        for finding in request.outside.findings():
            yield finding


async def _gateway_findings(request: DoctorRequest) -> AsyncIterator[Finding]:
    diagnosis = asyncio.create_task(_all_diagnoses(request))
    try:
        async with GatewayTables(
            request.backends, request.targets, request.leases, request.now, request.known
        ) as tables:
            diagnoses = _relevant(await diagnosis, tables.gateways)
            if not tables.gateways and not request.chosen and request.in_container(request.network):
                yield container_finding()
                return
            silent = not tables.gateways and any(finding.code == "ssdp-blocked" for finding in diagnoses)
            for finding in [] if silent else answer_findings(tables.gateways, tables.search_failures):
                yield finding
            for finding in diagnoses:
                yield finding
            gateways = [g for g in tables.gateways if g.local_address.version == 4]
            if gateways and not _has_problem(diagnoses, "double-nat"):
                async for finding in _grant_findings(request, gateways, tables):
                    yield finding
            if gateways and request.may_probe and request.outside is not None:
                await _probe_closed_ports(request, request.outside, gateways)
    finally:
        diagnosis.cancel()
        await asyncio.gather(diagnosis, return_exceptions=True)


async def _probe_closed_ports(
    request: DoctorRequest, outside: OutsideProbe, gateways: Sequence[Gateway]
) -> None:
    """Check ports that are not open with test mappings; without any port, check a random one."""
    closed = [port for port in request.desired if not port.is_open and port.family is Family.IPV4]
    for port in closed[:MAX_PROBED_PORTS]:
        request.on_step(f"checking {port} from outside")
        await request_port(gateways, port, outside.check_lease)
    if not closed and not outside.ports:
        request.on_step("checking a test mapping from outside")
        await request_any_port(gateways, outside.check_lease)


async def _grant_findings(
    request: DoctorRequest, gateways: Sequence[Gateway], tables: GatewayTables
) -> AsyncIterator[Finding]:
    request.on_step("requesting a test mapping")
    trial = await request_any_port(gateways) if request.may_probe else None
    addresses = await asyncio.gather(*(_external_address(gateway) for gateway in gateways))
    address = list(address_findings(addresses, trial))
    for finding in address:
        yield finding
    if trial is None or _has_problem(address):
        for port in request.desired:
            if port.is_open:
                yield _open_finding(port)
        return
    for finding in grant_findings(trial):
        yield finding
    if trial.lease is not None:
        for port in request.desired[:MAX_TEST_MAPPINGS]:
            if port.family is Family.IPV4:
                request.on_step(f"checking {port}")
                yield (await _port_finding(request, port, gateways, tables)).about(str(port))


async def _port_finding(
    request: DoctorRequest, port: DesiredPort, gateways: Sequence[Gateway], tables: GatewayTables
) -> Finding:
    if port.is_open:
        return _open_finding(port)
    holder = entry_at(port, [row.entry for row in tables.rows]) if port.port != ANY_PORT else None
    if (finding := held_finding(port, holder)) is not None:
        return finding
    if holder is not None:
        # A test mapping would replace this entry and then close it.
        return Finding.ok("port-denied", f"{port} is already open, by another program")
    trial = await request_port(gateways, port)
    return port_finding(port, trial, request.network.is_ours, bool(tables.readable))


def _open_finding(port: DesiredPort) -> Finding:
    return Finding.ok("port-denied", f"{port} is open").about(str(port))


async def _all_diagnoses(request: DoctorRequest) -> list[tuple[str, Finding]]:
    """Let each backend that can diagnose check the first target that has an IPv4 gateway."""
    target = next((t for t in request.targets if t.family is Family.IPV4 and t.gateway is not None), None)
    if target is None:
        return []
    able = [backend for backend in request.backends if isinstance(backend, Diagnoses)]
    capable = [backend for backend in able if request.thorough or not backend.diagnosis_takes_long]
    results = await asyncio.gather(*(_diagnosis(backend, target) for backend in capable))
    return [pair for result in results for pair in result]


async def _diagnosis(backend: Backend, target: Target) -> list[tuple[str, Finding]]:
    assert isinstance(backend, Diagnoses)
    try:
        async with asyncio.timeout(DIAGNOSIS_LIMIT):
            return [(backend.name, finding) for finding in await backend.diagnose(target)]
    except (BackendError, TimeoutError):
        return []


DIAGNOSIS_LIMIT = 15.0
"""Time limit in seconds for the diagnosis of one backend."""


def _relevant(diagnoses: Sequence[tuple[str, Finding]], gateways: Sequence[Gateway]) -> list[Finding]:
    """Drop findings that discovery disproves, and `upnp-off` if no gateway answers at all."""
    found = {gateway.backend for gateway in gateways}
    return [
        finding
        for backend, finding in diagnoses
        if not (finding.code in DISCOVERY_CODES and backend in found)
        and not (finding.code == "upnp-off" and not found)
    ]


async def _external_address(gateway: Gateway) -> IPAddress | None:
    try:
        return await read_external_address(gateway)
    except BackendError:
        return None


def _host_findings(request: DoctorRequest) -> Iterator[Finding]:
    """Check this host's listeners and its firewall; this blocks, so the caller uses a thread."""
    listeners = read_listeners()
    if listeners is not None:
        yield from listening_findings(request.desired, listeners, request.network.is_ours)
    firewall = read_firewall() if request.desired else None
    if firewall is not None:
        yield from firewall_findings(request.desired, firewall, request.network.interface_of)
    windows = read_windows_firewall() if request.desired else None
    if windows is not None:
        yield from windows_firewall_findings(request.desired, windows, request.network.is_ours)


def _has_problem(findings: Sequence[Finding], code: str = "") -> bool:
    return any(finding.severity in PROBLEMS and code in ("", finding.code) for finding in findings)
