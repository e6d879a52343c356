"""What is found on this host itself."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from portmapper.api.findings import Severity
from portmapper.daemon.pidfile import PidFile
from portmapper.doctor import host
from portmapper.doctor.host import route_findings, running_findings, state_directory_findings
from portmapper.network.host import DefaultRoute, Interface, Network

LAN = Interface("eth0", (ipaddress.ip_interface("192.168.88.2/24"),))
TUNNEL = Interface("wg0", (ipaddress.ip_interface("10.8.0.2/24"),))
ROUTER = DefaultRoute("eth0", ipaddress.ip_address("192.168.88.1"))


@pytest.fixture
def outwards(monkeypatch: pytest.MonkeyPatch):
    """Return what lets the way to the Internet start at an address of ours."""

    def outwards(address: str | None) -> None:
        found = ipaddress.ip_address(address) if address else None
        monkeypatch.setattr(Network, "local_address_towards", lambda *_: found)

    return outwards


def test_a_router_is_the_way_out(outwards) -> None:
    """Nothing is wrong then."""
    outwards("192.168.88.2")
    (finding,) = route_findings(Network((LAN,), (ROUTER,)), None)
    assert (finding.code, finding.severity) == ("no-default-route", Severity.OK)
    assert "192.168.88.1" in finding.summary


def test_no_route_is_an_error(outwards) -> None:
    """No gateway can stand before this host."""
    outwards(None)
    (finding,) = route_findings(Network((LAN,), ()), None)
    assert (finding.code, finding.severity) == ("no-default-route", Severity.ERROR)


@pytest.mark.parametrize("routes", [(), (ROUTER,)], ids=["its own routes", "round the default route"])
def test_a_tunnel_is_named_however_it_takes_the_way(outwards, routes) -> None:
    """WireGuard leaves the default route in its place."""
    outwards("10.8.0.2")
    (finding,) = route_findings(Network((LAN, TUNNEL), routes), None)
    assert (finding.code, finding.severity) == ("vpn-default-route", Severity.WARNING)
    assert ("--gateway 192.168.88.1" if routes else "--gateway ROUTER") in finding.advice


def test_a_named_gateway_needs_no_route(outwards) -> None:
    """The user knows better."""
    outwards(None)
    chosen = host.Target(ipaddress.ip_address("192.168.88.2"), chosen=True)
    assert list(route_findings(Network((LAN,), ()), [chosen])) == []


def test_a_directory_that_is_there_or_can_be_made_is_well(tmp_path: Path) -> None:
    """Nothing is made of it."""
    for directory in (tmp_path, tmp_path / "state" / "of ours"):
        (finding,) = state_directory_findings(directory)
        assert (finding.code, finding.severity) == ("state-dir-not-writable", Severity.OK)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_directorys_place_is_an_error(tmp_path: Path) -> None:
    """Nothing can be written there."""
    (tmp_path / "file").touch()
    for directory in (tmp_path / "file", tmp_path / "file" / "state"):
        (finding,) = state_directory_findings(directory)
        assert (finding.code, finding.severity) == ("state-dir-not-writable", Severity.ERROR)
        assert str(directory) in finding.summary


def test_a_holder_of_the_pid_file_is_told(tmp_path: Path) -> None:
    """It is in the way of a list of one's own, and what is asked about otherwise."""
    path = tmp_path / "portmapper.pid"
    assert [f.severity for f in running_findings([path], True)] == [Severity.OK]
    held = PidFile(path)
    held.write()
    for given, severity in ((True, Severity.WARNING), (False, Severity.INFO)):
        (finding,) = running_findings([path], given)
        assert (finding.code, finding.severity) == ("already-running", severity)
        assert str(path) in finding.summary
    held.remove()
    assert not path.exists()
