"""Recovery with lost, duplicated, delayed and reordered packets."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from netlab.bad_link import BadLink
from netlab.faults import packet_loss
from netlab.gateway import IGD2_AND_PCP
from netlab.hosts import AnsweringHost
from netlab.lab import LAN_HOST, Lab
from netlab.managed_daemon import ManagedDaemon
from netlab.program import Program

BACKENDS = [
    pytest.param((), id="any"),
    *(pytest.param(("--backend", name), id=name) for name in IGD2_AND_PCP.backends),
]
INTERVAL = 5
WATCHED = 8.0


@pytest.mark.parametrize("backend", BACKENDS)
def test_mappings_open_and_stay_open_with_packet_loss(
    lab: Lab, program: Program, tmp_path: Path, backend: tuple[str, ...]
) -> None:
    """Loss is 30 % in both directions, and the gateway never has duplicate rules."""
    managed = ManagedDaemon(lab, program, tmp_path)
    with packet_loss(lab.lan, lab.router, 30):
        began = time.monotonic()
        with managed.daemon(*backend, "-n", str(INTERVAL), opens=False):
            took = managed.until_open(began, 40)
            over = time.monotonic() + WATCHED
            while time.monotonic() < over:
                assert {rule[1:] for rule in lab.gateway.rules()} <= {
                    rule[1:] for rule in managed.expected_rules()
                }
                time.sleep(0.1)
            assert managed.events("lost") == []
    print("30 % loss:", backend, f"{took:.2f} s")


@pytest.mark.parametrize("backend", [BACKENDS[1], BACKENDS[3]])
def test_mappings_open_and_stay_open_with_delay_duplicates_and_reordering(
    own_lab: Lab, tmp_path: Path, backend: tuple[str, ...]
) -> None:
    """Each direction has 300 ms delay, every third frame is duplicated, and some are reordered."""
    own_lab.gateway.reset(IGD2_AND_PCP)
    own_lab.servers.close()
    own_lab.topology.remove(own_lab.lan)
    own_lab.lan = own_lab.topology.add("far")
    with BadLink(own_lab.topology, own_lab.router, own_lab.lan, LAN_HOST, own_lab.gateway.lan_address):
        own_lab.servers = AnsweringHost(own_lab.lan)
        managed = ManagedDaemon(own_lab, Program(own_lab.lan, tmp_path), tmp_path)
        began = time.monotonic()
        with managed.daemon(*backend, "-n", str(INTERVAL), opens=False):
            managed.until(lambda: own_lab.gateway.rules() == managed.expected_rules(), "as listed", 30)
            took = time.monotonic() - began
            time.sleep(WATCHED)
            assert own_lab.gateway.rules() == managed.expected_rules()
            assert all(managed.answers(endpoint, 3) for endpoint in managed.endpoints)
            assert managed.events("lost") == []
    print("delay:", backend, f"{took:.2f} s")
