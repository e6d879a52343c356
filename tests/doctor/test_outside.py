"""Findings of a probe server."""

from __future__ import annotations

import ipaddress
from typing import Any

import attrs
import pytest
from status_documents import mapping

from portmapper.api.findings import CODES
from portmapper.doctor import outside
from portmapper.doctor.outside import OutsideProbe
from portmapper.network.host import Network
from portmapper.probe.evidence import Cause, State, Verdict
from portmapper.probe.exchange import ProbeServer

SEEN = ipaddress.ip_address("203.0.113.7")
OTHER = ipaddress.ip_address("192.0.2.9")
YES = Verdict(State.YES, Cause.ANSWERED, "the program answers", ipaddress.ip_address("198.51.100.7"), SEEN)
NO = Verdict(State.NO, Cause.HOST_FIREWALL, "the firewall of this host drops it", None, SEEN)
UNKNOWN = Verdict(State.UNKNOWN, Cause.NO_PROBE, "the probe server does not answer")


async def findings(monkeypatch: pytest.MonkeyPatch, verdict: Verdict) -> list[tuple[str, str, str]]:
    """Return code, severity and port of each finding for one open port."""

    async def check(_: Any, ports: Any) -> Any:
        return [(port, verdict) for port in ports]

    monkeypatch.setattr(outside, "check_ports", check)
    mappings = [mapping(), mapping(81, state="pending", external_port=None)]
    probe = OutsideProbe(ProbeServer("http://198.51.100.7"), mappings, Network((), ()))
    await probe.check_open()
    found = list(probe.findings())
    assert {finding.code for finding in found} <= set(CODES)
    return [(finding.code, finding.severity.value, finding.port) for finding in found]


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (YES, [("reachable-from-outside", "ok", "8080/tcp")]),
        (NO, [("not-reachable-from-outside", "error", "8080/tcp")]),
        (UNKNOWN, [("reachable-from-outside", "info", "8080/tcp")]),
        (
            attrs.evolve(YES, seen_as=OTHER),
            [("reachable-from-outside", "ok", "8080/tcp"), ("external-address-differs", "warning", "")],
        ),
        (
            attrs.evolve(NO, seen_as=OTHER),
            [("not-reachable-from-outside", "error", "8080/tcp"), ("external-address-differs", "error", "")],
        ),
    ],
)
async def test_each_verdict_has_its_findings(
    monkeypatch: pytest.MonkeyPatch, verdict: Verdict, expected: list[tuple[str, str, str]]
) -> None:
    """An unknown result is no problem, and another address is one even if a port is reachable."""
    assert await findings(monkeypatch, verdict) == expected
