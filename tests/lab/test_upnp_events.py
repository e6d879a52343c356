"""What a real gateway reports by UPnP events, and what the checks cost meanwhile."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from netlab.lab import WAN_GATEWAY, Lab
from netlab.program import Program, Running

COUNT = 10
INTERVALS = 6
OTHER = "11.22.44.9"


def open_ports(lab: Lab, program: Program, tmp_path: Path) -> tuple[str, ...]:
    """Return the arguments of a run with ten ports over UPnP."""
    ports = tmp_path / "ports.csv"
    ports.write_text("port;protocol\n" + "".join(f"{8000 + n};TCP\n" for n in range(COUNT)))
    return ("run", "--backend", "upnp", "--state-dir", str(tmp_path / "state"), str(ports))


def until_open(lab: Lab, run: Running) -> None:
    """Wait until every port is open."""
    run.until(lambda: len(lab.gateway.rules()) == COUNT, "all ports are open")


def packets(lab: Lab) -> int:
    """Return the number of packets that the LAN host has sent."""
    (interface,) = json.loads(lab.lan.ip("-s", "-j", "link", "show", "eth0"))
    return int(interface["stats64"]["tx"]["packets"])


def test_checks_cost_few_packets(
    lab: Lab, program: Program, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Far less than a query for each mapping, which has at least five packets."""
    arguments = open_ports(lab, program, tmp_path)
    with program.running(*arguments, "-n", "2", log=tmp_path / "log") as run:
        until_open(lab, run)
        time.sleep(3)  # the first check finds the end of the table
        before = packets(lab)
        time.sleep(2 * INTERVALS)
        each = (packets(lab) - before) / INTERVALS
    with capsys.disabled():
        print(f"\nUPnP, {COUNT} mappings: {each:.1f} packets sent in an interval, {60 * each:.0f} an hour")
    assert each < COUNT * 5 / 3


def test_a_mapping_that_someone_else_removes_is_reported_and_opened_again(
    lab: Lab, program: Program, tmp_path: Path
) -> None:
    """Long before the next interval."""
    arguments = open_ports(lab, program, tmp_path)
    with program.running(*arguments, "-n", "600", "--log-level", "debug", log=tmp_path / "log") as run:
        until_open(lab, run)
        run.until(lambda: "events of the gateway arrive" in run.log, "events arrive")
        time.sleep(3)  # right after our own changes, the number of entries in events means nothing
        lab.lan.run("upnpc", "-u", lab.gateway.description_url, "-d", "8003", "TCP")
        run.until(lambda: "lost 8003/tcp" in run.log, "the loss is reported")
        until_open(lab, run)


def test_a_new_external_address_is_reported_before_the_next_interval(
    lab: Lab, program: Program, tmp_path: Path
) -> None:
    """The gateway sends an event when its interface has another address."""
    arguments = open_ports(lab, program, tmp_path)
    with program.running(*arguments, "-n", "600", "--log-level", "debug", log=tmp_path / "log") as run:
        until_open(lab, run)
        run.until(lambda: "events of the gateway arrive" in run.log, "events arrive")
        lab.router.ip("addr", "add", f"{OTHER}/24", "dev", "wan0")
        lab.router.ip("addr", "del", f"{WAN_GATEWAY}/24", "dev", "wan0")
        try:
            assert lab.gateway.pid is not None
            os.kill(lab.gateway.pid, signal.SIGUSR1)
            run.until(lambda: OTHER in run.log, "the new address is reported")
        finally:
            lab.router.ip("addr", "del", f"{OTHER}/24", "dev", "wan0")
            lab.router.ip("addr", "add", f"{WAN_GATEWAY}/24", "dev", "wan0")
            lab.gateway.restart()
