"""Findings about each desired port: whether a gateway opens it, and why not."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

import pytest

from portmapper.api.errors import BackendError, Conflict, NotAuthorized, Unsupported
from portmapper.api.findings import Severity
from portmapper.api.model import Lease, Protocol, TableEntry
from portmapper.doctor.desired import DesiredPort
from portmapper.doctor.ports import entry_at, held_finding, port_finding
from portmapper.doctor.trial_mapping import TrialResult

LOCAL = ipaddress.ip_address("192.168.88.10")
OTHER = ipaddress.ip_address("192.168.88.66")

Port = Callable[..., DesiredPort]


def test_the_entry_has_the_protocol_and_the_external_port(port: Port) -> None:
    """The same port of the other protocol is another entry."""
    udp, tcp = TableEntry(Protocol.UDP, 8080, OTHER, 80), TableEntry(Protocol.TCP, 8080, OTHER, 80)
    assert entry_at(port(8080), [udp, tcp]) is tcp
    assert entry_at(port(8081), [udp, tcp]) is None


def test_a_port_of_another_host_is_held(port: Port) -> None:
    """The summary names the host and its comment."""
    finding = held_finding(port(8080), TableEntry(Protocol.TCP, 8080, OTHER, 80, "games"))
    assert finding is not None
    assert (finding.code, finding.summary) == ("port-held-by-host", f"8080/tcp is held by {OTHER} (games)")


@pytest.mark.parametrize("holder", [None, LOCAL])
def test_a_port_of_this_host_or_of_an_unknown_host_is_not_held(
    port: Port, holder: ipaddress.IPv4Address | None
) -> None:
    """Also if there is no entry."""
    assert held_finding(port(8080), TableEntry(Protocol.TCP, 8080, holder, 80)) is None
    assert held_finding(port(8080), None) is None


def test_a_granted_port_is_ok(port: Port) -> None:
    """The summary names the backend."""
    lease = Lease(Protocol.TCP, LOCAL, 8080, 8080, None, 120, False, backend="pcp", gateway="pcp:1")
    finding = port_finding(port(8080), TrialResult(lease, ()), lambda _: True, True)
    assert (finding.severity, finding.summary) == (Severity.OK, "8080/tcp can be opened over PCP")


@pytest.mark.parametrize(
    ("errors", "is_ours", "table_was_read", "code"),
    [
        ([NotAuthorized("no")], True, True, "port-denied"),
        ([Conflict("taken"), NotAuthorized("no")], True, True, "port-denied"),
        ([NotAuthorized("no")], False, True, "other-host-denied"),
        ([Unsupported("only this host")], False, True, "other-host-denied"),
        ([Conflict("taken")], True, True, "port-held-by-mechanism"),
        ([Conflict("taken")], True, False, "port-held-by-host"),
        (
            [Conflict("taken", holder=TableEntry(Protocol.TCP, 8080, OTHER, 80))],
            True,
            True,
            "port-held-by-host",
        ),
        ([Unsupported("no TCP")], True, True, "port-denied"),
    ],
)
def test_a_refused_port_has_its_cause(
    port: Port, errors: list[BackendError], is_ours: bool, table_was_read: bool, code: str
) -> None:
    """A denial takes precedence over a conflict; a conflict without an entry is the router's own."""
    finding = port_finding(port(8080), TrialResult(None, errors), lambda _: is_ours, table_was_read)
    assert (finding.code, finding.severity) == (code, Severity.ERROR)
