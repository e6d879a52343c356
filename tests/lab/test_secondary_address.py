"""Ports of a secondary address of this host, on a real gateway that accepts only the sender's address."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from netlab.firewalls import Rule
from netlab.hosts import AnsweringHost, answer_text
from netlab.lab import WAN_HOST, Lab
from netlab.program import Program

PORT = 8443
SECONDARY = "192.168.88.50"


@pytest.fixture(params=["24", "32"])
def two_addresses(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """The LAN host has a second address, with the prefix of the LAN or, as with VRRP, its own."""
    address = f"{SECONDARY}/{request.param}"
    lab.lan.ip("addr", "add", address, "dev", "eth0")
    lab.gateway.reset()
    yield lab
    lab.lan.ip("addr", "del", address, "dev", "eth0")


@pytest.mark.parametrize("backend", ["pcp", "natpmp", "upnp"])
def test_a_port_of_a_secondary_address_is_requested_from_it(
    two_addresses: Lab, program: Program, tmp_path: Path, backend: str
) -> None:
    """The WAN host reaches the port, and the gateway's rule has the secondary address."""
    ports = tmp_path / "ports.csv"
    ports.write_text(f"address;protocol;port;duration;backend\n{SECONDARY};TCP;{PORT};600;{backend}\n")
    finished = program.run("run", "--oneshot", "--json", "--state-dir", str(tmp_path / "state"), str(ports))
    assert finished.status == 0, finished.json()
    assert two_addresses.gateway.rules() == {Rule("TCP", PORT, SECONDARY, PORT)}
    servers = AnsweringHost(two_addresses.lan)
    try:
        servers.listen("TCP", PORT)
        assert two_addresses.query_from_wan("TCP", PORT) == answer_text("TCP", PORT, WAN_HOST)
    finally:
        servers.close()
