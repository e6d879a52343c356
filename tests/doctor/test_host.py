"""Findings about this host: default route, state directory and pid file."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from portmapper.api.findings import Severity
from portmapper.api.reading import Reading, Rejected, SourceState
from portmapper.daemon.pidfile import PidFile
from portmapper.doctor import host
from portmapper.doctor.host import (
    daemon_source_findings,
    route_findings,
    running_findings,
    source_findings,
    state_directory_findings,
)
from portmapper.network.host import DefaultRoute, Interface, Network
from portmapper.observability.status import source_document

LAN = Interface("eth0", (ipaddress.ip_interface("192.168.88.2/24"),))
TUNNEL = Interface("wg0", (ipaddress.ip_interface("10.8.0.2/24"),))
ROUTER = DefaultRoute("eth0", ipaddress.ip_address("192.168.88.1"))


@pytest.fixture
def route_from(monkeypatch: pytest.MonkeyPatch):
    """Set the address of ours that the system uses for Internet traffic."""

    def route_from(address: str | None) -> None:
        found = ipaddress.ip_address(address) if address else None
        monkeypatch.setattr(Network, "local_address_towards", lambda *_: found)

    return route_from


def test_a_default_route_is_ok(route_from) -> None:
    """This is no problem."""
    route_from("192.168.88.2")
    (finding,) = route_findings(Network((LAN,), (ROUTER,)), None)
    assert (finding.code, finding.severity) == ("no-default-route", Severity.OK)
    assert "192.168.88.1" in finding.summary


def test_a_missing_default_route_is_an_error(route_from) -> None:
    """Without it, this host has no gateway."""
    route_from(None)
    (finding,) = route_findings(Network((LAN,), ()), None)
    assert (finding.code, finding.severity) == ("no-default-route", Severity.ERROR)


@pytest.mark.parametrize("routes", [(), (ROUTER,)], ids=["its own routes", "beside the default route"])
def test_a_tunnel_is_named_however_it_routes_traffic(route_from, routes) -> None:
    """WireGuard keeps the default route and uses its own."""
    route_from("10.8.0.2")
    (finding,) = route_findings(Network((LAN, TUNNEL), routes), None)
    assert (finding.code, finding.severity) == ("vpn-default-route", Severity.WARNING)
    assert ("--gateway 192.168.88.1" if routes else "--gateway ROUTER") in finding.advice


def test_a_named_gateway_needs_no_route(route_from) -> None:
    """The user's choice is used."""
    route_from(None)
    chosen = host.Target(ipaddress.ip_address("192.168.88.2"), chosen=True)
    assert list(route_findings(Network((LAN,), ()), [chosen])) == []


def test_a_directory_that_exists_or_can_be_created_is_ok(tmp_path: Path) -> None:
    """The check creates nothing."""
    for directory in (tmp_path, tmp_path / "state" / "of ours"):
        (finding,) = state_directory_findings(directory)
        assert (finding.code, finding.severity) == ("state-dir-not-writable", Severity.OK)
    assert list(tmp_path.iterdir()) == []


def test_a_file_instead_of_the_directory_is_an_error(tmp_path: Path) -> None:
    """It is not writable."""
    (tmp_path / "file").touch()
    for directory in (tmp_path / "file", tmp_path / "file" / "state"):
        (finding,) = state_directory_findings(directory)
        assert (finding.code, finding.severity) == ("state-dir-not-writable", Severity.ERROR)
        assert str(directory) in finding.summary


def test_a_running_instance_is_reported(tmp_path: Path) -> None:
    """A daemon that runs is good, and none is good too."""
    path = tmp_path / "portmapper.pid"
    assert [f.severity for f in running_findings([path])] == [Severity.OK]
    held = PidFile(path)
    held.write()
    (finding,) = running_findings([path])
    assert (finding.code, finding.severity) == ("already-running", Severity.OK)
    assert str(path) in finding.summary
    held.remove()
    assert not path.exists()


@pytest.mark.parametrize(
    ("state", "rejected", "severity", "text"),
    [
        (SourceState.OK, 0, Severity.OK, "lists 0 mappings"),
        (SourceState.OK, 2, Severity.WARNING, "line 2: port: not a number and 1 more"),
        (SourceState.STALE, 0, Severity.ERROR, "no such file"),
        (SourceState.FAILED, 0, Severity.ERROR, "no such file"),
    ],
)
def test_a_source_has_the_same_finding_from_a_list_and_from_a_daemon(
    state: SourceState, rejected: int, severity: Severity, text: str
) -> None:
    """It names the first rejected row, or the error."""
    rows = tuple(Rejected(f"line {line}", "port: not a number") for line in range(2, 2 + rejected))
    error = None if state is SourceState.OK else "no such file"
    reading = Reading("ports.csv", "csv", state, rejected=rows, error=error)
    (from_list,) = source_findings([reading])
    (from_daemon,) = daemon_source_findings([source_document(reading)])
    assert from_list == from_daemon
    assert (from_list.code, from_list.severity) == ("source-unreadable", severity)
    assert text in from_list.summary
