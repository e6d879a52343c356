"""`portmapper discover` shows the gateways that answer."""

from __future__ import annotations

import ipaddress
import json
from typing import Any

import pytest

from portmapper.actions.discover import DiscoveryResult
from portmapper.cli import discover

WIDE = "fe80:1234:5678:9abc:def0:1234:5678:9abc"


def test_a_gateway_is_shown(program: Any, gateway: Any) -> None:
    """The table has its protocol and address; -v adds details."""
    finished = program.run("discover", *gateway.options)
    assert finished.status == 0, finished.errors
    heading, row = finished.output.splitlines()
    assert heading.split() == ["Protocol", "Gateway", "External", "address", "Answer"]
    assert row.startswith("PCP 2     127.0.0.1  not told by PCP")
    assert "backend: pcp" in program.run("discover", "-v", *gateway.options).output


def test_json_has_every_gateway(program: Any, gateway: Any) -> None:
    """It includes the location, which the table does not show."""
    finished = program.run("discover", "--json", *gateway.options)
    (found,) = json.loads(finished.output)["gateways"]
    assert (found["backend"], found["address"]) == ("pcp", "127.0.0.1")
    assert {"model", "location", "external_address", "external_kind"} <= found.keys()


def test_without_a_gateway_the_status_is_3(program: Any, silence: tuple[str, ...]) -> None:
    """The JSON has an empty list."""
    finished = program.run("discover", "--json", *silence, "--backend", "pcp")
    assert finished.status == 3
    assert json.loads(finished.output) == {"gateways": []}
    assert "no gateway answered" in finished.errors


def test_details_have_the_connection(program: Any, upnp_gateway: Any) -> None:
    """Over UPnP: status, rates of the line, and the router's own page."""
    shown = program.run("discover", "-v", *upnp_gateway.options).output
    finished = program.run("discover", "--json", *upnp_gateway.options)
    (document,) = json.loads(finished.output)["gateways"]
    assert "  connection: Connected for " in shown
    assert "  line: 100 Mbit/s down, 100 Mbit/s up\n  router's page: http://127.0.0.1:" in shown
    assert document["connection"]["upstream"] == 100_000_000


class _Gateway:
    """What the table needs of a gateway."""

    protocol = "IGD 2"
    backend = "upnp"
    latency = 0.0911
    address_by_grant = False

    def __init__(self, address: str) -> None:
        self.address = self.local_address = ipaddress.ip_address(address)


@pytest.mark.parametrize(
    ("external", "words"),
    [
        ("8.8.8.8", "8.8.8.8 (public)"),
        ("192.168.1.2", "192.168.1.2 (private: another NAT in front)"),
        ("100.64.0.9", "100.64.0.9 (CGNAT: shared by the provider)"),
        (None, "none: the gateway is not connected"),
    ],
)
@pytest.mark.parametrize("width", ["60", "80", "200"])
def test_an_address_is_never_shortened(
    external: str | None, words: str, width: str, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit is on its own line."""
    monkeypatch.setenv("COLUMNS", width)
    address = ipaddress.ip_address(external) if external else None
    gateways: Any = [(_Gateway("192.168.188.101"), address), (_Gateway(WIDE), None)]
    discover._show(DiscoveryResult(gateways, {}), verbose=False)
    output = capsys.readouterr().out
    assert "192.168.188.101" in output
    assert WIDE in output
    assert words in output
    assert "…" not in output
