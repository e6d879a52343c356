"""Packets are lost, doubled, late and out of order: every mapping comes and stays, and none comes twice."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from netlab.bad_line import BadLine
from netlab.faults import losing
from netlab.gateway import IGD2_AND_PCP
from netlab.hosts import AnsweringHost
from netlab.keeping import Kept
from netlab.lab import LAN_HOST, Lab
from netlab.program import Program

BACKENDS = [
    pytest.param((), id="any"),
    *(pytest.param(("--backend", name), id=name) for name in IGD2_AND_PCP.backends),
]
INTERVAL = 5
WATCHED = 8.0


@pytest.mark.parametrize("backend", BACKENDS)
def test_mappings_come_and_stay_while_a_third_of_all_packets_is_lost(
    lab: Lab, program: Program, tmp_path: Path, backend: tuple[str, ...]
) -> None:
    """Both ways; the gateway's table never has a second rule for one of them."""
    kept = Kept(lab, program, tmp_path)
    with losing(lab.lan, lab.router, 30):
        began = time.monotonic()
        with kept.daemon(*backend, "-n", str(INTERVAL), opens=False):
            took = kept.until_open(began, 40)
            over = time.monotonic() + WATCHED
            while time.monotonic() < over:
                assert {rule[1:] for rule in lab.gateway.rules()} <= {
                    rule[1:] for rule in kept.wanted_rules()
                }
                time.sleep(0.1)
            assert kept.events("lost") == []
    print("30 % loss:", backend, f"{took:.2f} s")


@pytest.mark.parametrize("backend", [BACKENDS[1], BACKENDS[3]])
def test_mappings_come_and_stay_on_a_line_that_delays_doubles_and_reorders(
    own_lab: Lab, tmp_path: Path, backend: tuple[str, ...]
) -> None:
    """300 ms each way, every third frame twice, and some overtake others."""
    own_lab.gateway.reset(IGD2_AND_PCP)
    own_lab.servers.close()
    own_lab.lan.remove()
    own_lab.topology.namespaces.remove(own_lab.lan)
    own_lab.lan = own_lab.topology.add("far")
    with BadLine(own_lab.topology, own_lab.router, own_lab.lan, LAN_HOST, own_lab.gateway.lan_address):
        own_lab.servers = AnsweringHost(own_lab.lan)
        kept = Kept(own_lab, Program(own_lab.lan, tmp_path), tmp_path)
        began = time.monotonic()
        with kept.daemon(*backend, "-n", str(INTERVAL), opens=False):
            kept.until(lambda: own_lab.gateway.rules() == kept.wanted_rules(), "as listed", 30)
            took = time.monotonic() - began
            time.sleep(WATCHED)
            assert own_lab.gateway.rules() == kept.wanted_rules()
            assert all(kept.answers(way, 3) for way in kept.ways)
            assert kept.events("lost") == []
    print("delay:", backend, f"{took:.2f} s")
