"""The real gateway's table, and ports opened and closed with commands."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from netlab.firewalls import Rule
from netlab.gateway import IGD1_ONLY, IGD2_AND_PCP, UPNP_ONLY, Variant
from netlab.lab import LAN_HOST, Lab
from netlab.program import Program

OTHER_HOST = "192.168.88.77"
"""Unused address of the LAN."""


def map_other_host(lab: Lab, variant: Variant) -> Rule:
    """Open a port to a missing host on a gateway without secure mode."""
    lab.gateway.reset(dataclasses.replace(variant, secure=False))
    url = lab.gateway.description_url
    lab.lan.run("upnpc", "-u", url, "-e", "other", "-a", OTHER_HOST, "7000", "7000", "TCP", "600")
    return Rule("TCP", 7000, OTHER_HOST, 7000)


def options(lab: Lab, tmp_path: Path) -> tuple[str, ...]:
    """Return the options of every command."""
    return ("--state-dir", str(tmp_path / "state"))


@pytest.mark.parametrize("backend", ["pcp", "upnp"])
def test_the_table_contains_entries_of_all_hosts(
    lab: Lab, program: Program, tmp_path: Path, backend: str
) -> None:
    """The device lists our entry over either protocol."""
    map_other_host(lab, IGD2_AND_PCP)
    where = options(lab, tmp_path)
    assert program.run("open", "8080/tcp", "--backend", backend, *where).status == 0
    assert lab.reaches("TCP", 8080)
    result = program.run("list", "--json", *where)
    assert result.status == 0, result.errors
    rows = {
        (r["protocol"], r["external_port"], r["internal_address"], r["ours"])
        for r in json.loads(result.output)["mappings"]
    }
    assert rows == {("TCP", 7000, OTHER_HOST, False), ("TCP", 8080, LAN_HOST, True)}


@pytest.mark.parametrize("variant", [UPNP_ONLY, IGD1_ONLY], ids=lambda variant: variant.name)
def test_a_saved_table_is_restored(lab: Lab, program: Program, tmp_path: Path, variant: Variant) -> None:
    """`list --csv` saves the table, and one pass of `run` restores it after a restart."""
    other_rule = map_other_host(lab, variant)
    where = options(lab, tmp_path)
    assert program.run("open", "8080/tcp", "9000-9001/udp", *where).status == 0
    rules = lab.gateway.rules()
    assert other_rule in rules
    assert len(rules) == 4
    saved = program.run("list", "--csv", *where)
    (tmp_path / "saved.csv").write_text(saved.output)
    lab.gateway.restart()
    assert lab.gateway.rules() == set()
    state = str(tmp_path / "another")
    restored = program.run("run", "--oneshot", "--state-dir", state, str(tmp_path / "saved.csv"))
    assert restored.status == 0, restored.errors
    assert lab.gateway.rules() == rules
    assert lab.reaches("TCP", 8080)


def test_close_keeps_another_hosts_entry(lab: Lab, program: Program, tmp_path: Path) -> None:
    """It reports the host; a stale entry is removed after a confirmation."""
    other_rule = map_other_host(lab, UPNP_ONLY)
    where = options(lab, tmp_path)
    assert program.run("open", "8080/tcp", *where).status == 0
    closed = program.run("close", "8080/tcp", "7000/tcp", *where)
    assert (closed.status, closed.output) == (0, "8080/tcp is closed\n")
    assert f"it leads to {OTHER_HOST}" in closed.errors
    assert lab.gateway.rules() == {other_rule}
    assert "no host answers" in program.run("list", "--stale", "--json", *where).output
    assert program.run("close", "--stale", *where, stdin="n\n").status == 0
    assert lab.gateway.rules() == {other_rule}
    assert program.run("close", "--stale", *where, stdin="y\n").status == 0
    assert lab.gateway.rules() == set()


def test_the_daemon_opens_and_closes_requested_ports(lab: Lab, program: Program, tmp_path: Path) -> None:
    """The port answers the WAN host until it is closed."""
    where = options(lab, tmp_path)
    ports = tmp_path / "ports.csv"
    ports.write_text("port;protocol\n8080;TCP\n")
    with program.running("run", *where, str(ports), log=tmp_path / "log") as daemon:
        daemon.until((tmp_path / "state" / "control.sock").exists, "listening")
        assert program.run("open", "9000/udp", *where).status == 0
        assert lab.reaches("UDP", 9000)
        assert program.run("close", "9000/udp", *where).output == "9000/udp is closed\n"
        assert {rule.external_port for rule in lab.gateway.rules()} == {8080}
