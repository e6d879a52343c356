"""Findings of a probe server: whether ports are reachable from outside, and under which address."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from portmapper.api.backend import Gateway
from portmapper.api.errors import BackendError
from portmapper.api.findings import Finding, Severity
from portmapper.api.model import Lease
from portmapper.gateways.calls import read_external_address
from portmapper.network.host import Network
from portmapper.probe.check import Outcome, check_ports
from portmapper.probe.evidence import Cause, OpenPort, State, Verdict
from portmapper.probe.exchange import ProbeServer
from portmapper.probe.ports import open_port
from portmapper.probe.text import outcome_text

ADVICE = {
    Cause.WRONG_LISTENER: "configure the program to listen on all addresses of this host",
    Cause.NO_LISTENER: "start the program that uses the port",
    Cause.HOST_FIREWALL: "allow the port in the firewall of this host",
    Cause.ANSWER_LOST: "allow what this host sends in its firewall",
    Cause.ANOTHER_NAT: "open the port on the outer router too, ask the provider for a public address, or use "
    "IPv6",
    Cause.ANOTHER_HOST: "look for another device, or a function of the router, that has the port",
    Cause.OUTSIDE_FILTER: "check the router's firewall, and ask the provider which ports it filters",
}
HOST_CAUSES = frozenset({Cause.REFUSED, Cause.UNREACHABLE, Cause.NOTHING_ARRIVES})
"""What the host of a mapping may cause. Of another host than this, nothing more is known."""

GENERAL_ADVICE = "check the firewalls of this host and the router, and ask the provider whether it filters"


class OutsideProbe:
    """Collects what a probe server sees, of open ports and of test mappings.

    Attributes:
        ports: the open ports, which `check_open` checks.
    """

    def __init__(self, server: ProbeServer, mappings: Sequence[dict[str, Any]], network: Network) -> None:
        """Prepare to check.

        Args:
            server: the probe server.
            mappings: the mappings of a status document.
            network: this host's network.
        """
        found = (open_port(mapping, network.is_ours) for mapping in mappings)
        self.ports = [port for port in found if port is not None]
        self._server = server
        self._network = network
        self._outcomes: list[Outcome] = []
        self._trials: set[OpenPort] = set()

    async def check_open(self) -> None:
        """Check the open ports."""
        self._outcomes += await check_ports(self._server, self.ports)

    async def check_lease(self, gateway: Gateway, lease: Lease) -> None:
        """Check the port of a test mapping, before it is released."""
        external = lease.external_address
        if external is None:
            try:
                external = await read_external_address(gateway)
            except BackendError:
                external = None
        port = OpenPort(
            lease.protocol,
            lease.external_port,
            lease.internal_port,
            lease.internal_address,
            external,
            self._network.is_ours(lease.internal_address),
        )
        self._trials.add(port)
        self._outcomes += await check_ports(self._server, [port])

    def findings(self) -> Iterator[Finding]:
        """Yield a finding for each port, and one if the external address is another."""
        for port, verdict in self._outcomes:
            note = " (over a test mapping)" if port in self._trials else ""
            yield _port_finding(port, verdict, note).about(port.name)
        differing = next((o for o in self._outcomes if _differs(*o)), None)
        if differing is not None:
            reaches = any(verdict.state is State.YES for _, verdict in self._outcomes)
            yield _address_finding(*differing, reaches=reaches)


def _port_finding(port: OpenPort, verdict: Verdict, note: str) -> Finding:
    if verdict.state is State.YES:
        return Finding.ok("reachable-from-outside", f"{port.name} is {outcome_text(port, verdict)}{note}")
    if verdict.state is State.UNKNOWN:
        summary = f"it is unknown whether {port.name} is reachable from outside: {verdict.reason}"
        return Finding("reachable-from-outside", Severity.INFO, summary)
    return Finding.error(
        "not-reachable-from-outside",
        f"{port.name} is not reachable from outside: {verdict.reason}",
        _advice(port, verdict.cause),
    )


def _advice(port: OpenPort, cause: Cause) -> str:
    if not port.is_ours and cause in HOST_CAUSES:
        return (
            f"check that {port.internal_address} is on, and that a program listens there on "
            f"{port.internal_name} and its firewall allows the port; or correct the address of the row"
        )
    return ADVICE.get(cause, GENERAL_ADVICE)


def _differs(port: OpenPort, verdict: Verdict) -> bool:
    reported, seen = port.external_address, verdict.seen_as
    if reported is None or seen is None:
        return False
    return reported.version == seen.version == 4 and reported != seen


def _address_finding(port: OpenPort, verdict: Verdict, *, reaches: bool) -> Finding:
    finding = Finding.error(
        "external-address-differs",
        f"the gateway's external address is {port.external_address}, but the internet sees "
        f"{verdict.seen_as}: another NAT is in between",
        ADVICE[Cause.ANOTHER_NAT],
    )
    return attrs.evolve(finding, severity=Severity.WARNING) if reaches else finding
