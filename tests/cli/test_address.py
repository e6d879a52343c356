"""`portmapper address`."""

from __future__ import annotations

import ipaddress
import json
from typing import Any

import pytest

from portmapper.api.errors import NoGateway
from portmapper.cli import address as command
from portmapper.cli.main import main
from portmapper.network.host import DefaultRoute, Interface, Network


@pytest.mark.parametrize("backend", ["natpmp", "pcp"])
def test_only_the_address_is_printed(program: Any, gateway: Any, backend: str) -> None:
    """PCP tells it with a lease, which is released."""
    finished = program.run("address", *gateway.options, "--backend", backend)
    assert (finished.status, finished.output, finished.errors) == (0, "11.22.33.44\n", "")


def test_the_kind_is_in_the_json(program: Any, gateway: Any) -> None:
    """A script can see whether the address is public."""
    finished = program.run("address", "-4", "--json", *gateway.options)
    assert json.loads(finished.output) == {"address": "11.22.33.44", "kind": "public"}


def test_without_a_gateway_the_status_is_3(program: Any, silence: Any) -> None:
    """Nothing is printed to standard output."""
    finished = program.run("address", *silence)
    assert (finished.status, finished.output) == (3, "")


def network(*routes: DefaultRoute) -> Network:
    """Return the network of a host with one global IPv6 address."""
    addresses = (ipaddress.ip_interface("fe80::5/64"), ipaddress.ip_interface("2a01:db8::5/64"))
    return Network((Interface("eth0", addresses),), routes)


def test_the_own_ipv6_address_needs_no_gateway(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is the stable address on the interface with the default route."""
    route = DefaultRoute("eth0", ipaddress.ip_address("fe80::1"))
    monkeypatch.setattr("portmapper.network.host.read_network", lambda: network(route))
    assert main(["address", "-6"]) == 0
    assert capsys.readouterr().out == "2a01:db8::5\n"


def test_without_a_default_route_there_is_no_ipv6_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit status is that of a missing gateway."""
    monkeypatch.setattr("portmapper.network.host.read_network", network)
    with pytest.raises(NoGateway):
        command._own_ipv6()
