"""Findings about the gateways: which ones answer, their addresses, and what they grant."""

from __future__ import annotations

import ipaddress

import pytest

from portmapper.api.errors import (
    AnotherNat,
    BackendError,
    Conflict,
    GatewayTimeout,
    NetworkFailure,
    NotAuthorized,
)
from portmapper.api.findings import Severity
from portmapper.api.model import Lease, Protocol
from portmapper.doctor.gateways import address_findings, answer_findings, grant_findings
from portmapper.doctor.trial_mapping import TrialResult
from portmapper.support.clock import Clock
from portmapper.testing.fake_backend import FakeGateway
from portmapper.testing.fake_device import FakeDevice

LOCAL = ipaddress.ip_address("192.168.88.10")


def granted(*, permanent: bool = False) -> TrialResult:
    """Return the result of a test mapping that was granted."""
    lease = Lease(
        protocol=Protocol.TCP,
        internal_address=LOCAL,
        internal_port=50000,
        external_port=50000,
        external_address=None,
        lifetime=0 if permanent else 120,
        permanent=permanent,
        backend="pcp",
        gateway="pcp:192.168.88.1",
    )
    return TrialResult(lease, ())


def refused(*errors: BackendError) -> TrialResult:
    """Return the result of a test mapping that every gateway refused."""
    return TrialResult(None, errors)


def test_without_an_answer_the_reasons_are_named() -> None:
    """Each backend has one."""
    (finding,) = answer_findings([], {"pcp": GatewayTimeout("no answer"), "upnp": GatewayTimeout("silent")})
    assert (finding.code, finding.severity) == ("gateway-silent", Severity.ERROR)
    assert "PCP: no answer; UPnP: silent" in finding.summary


def test_one_gateway_over_two_protocols_is_one_gateway(gateway: FakeGateway) -> None:
    """Each protocol has its own finding."""
    other = FakeGateway(gateway.device, "upnp", LOCAL)
    findings = list(answer_findings([gateway, other], {}))
    assert [finding.severity for finding in findings] == [Severity.OK, Severity.OK]


def test_a_second_gateway_is_a_warning(gateway: FakeGateway) -> None:
    """Only one of them leads to the Internet."""
    second = FakeDevice(Clock(), address=ipaddress.ip_address("192.168.88.2"))
    *_, finding = answer_findings([gateway, FakeGateway(second, "pcp", LOCAL)], {})
    assert (finding.code, finding.severity) == ("several-gateways", Severity.WARNING)
    assert "192.168.88.1, 192.168.88.2" in finding.summary


@pytest.mark.parametrize(
    ("addresses", "result", "code", "severity"),
    [
        (["8.8.8.8"], None, "double-nat", Severity.OK),
        (["192.168.1.7", "8.8.8.8"], None, "double-nat", Severity.OK),
        (["192.168.1.7"], None, "double-nat", Severity.ERROR),
        (["100.64.0.1"], None, "cgnat", Severity.ERROR),
        (["100.64.0.1", "192.168.1.7"], None, "cgnat", Severity.ERROR),
        (["0.0.0.0"], None, "no-external-address", Severity.ERROR),
        ([], granted(), "no-external-address", Severity.ERROR),
        (["8.8.8.8"], refused(AnotherNat("a NAT between")), "double-nat", Severity.ERROR),
        (["8.8.8.8"], refused(NetworkFailure("no address")), "no-external-address", Severity.ERROR),
    ],
)
def test_the_external_address_is_checked(
    addresses: list[str], result: TrialResult | None, code: str, severity: Severity
) -> None:
    """The best address counts, and the errors of the test mapping come first."""
    (finding,) = address_findings([ipaddress.ip_address(address) for address in addresses], result)
    assert (finding.code, finding.severity) == (code, severity)


def test_without_an_address_and_a_test_mapping_nothing_is_known() -> None:
    """Therefore nothing is reported."""
    assert list(address_findings([None], None)) == []


@pytest.mark.parametrize(
    ("result", "code", "severity"),
    [
        (granted(), "port-denied", Severity.OK),
        (granted(permanent=True), "permanent-leases-only", Severity.WARNING),
        (refused(NotAuthorized("no")), "port-denied", Severity.ERROR),
        (refused(Conflict("taken"), NotAuthorized("no")), "port-held-by-mechanism", Severity.ERROR),
    ],
)
def test_the_test_mapping_is_reported(result: TrialResult, code: str, severity: Severity) -> None:
    """A conflict on several random ports means that the router uses all ports."""
    (finding,) = grant_findings(result)
    assert (finding.code, finding.severity) == (code, severity)


def test_the_same_refusal_of_two_backends_is_named_once() -> None:
    """The summary stays short."""
    (finding,) = grant_findings(refused(NotAuthorized("not by you"), NotAuthorized("not by you")))
    assert finding.summary.count("not by you") == 1
