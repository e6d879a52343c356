"""The real gateway's own table: listed, saved and restored; single ports opened and closed by hand."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from netlab.gateway import IGD1_ONLY, IGD2_AND_PCP, UPNP_ONLY, Rule, Variant
from netlab.lab import LAN_HOST, Lab
from netlab.program import Program

STRANGER = "192.168.88.77"
"""Another host of the LAN, that nobody is."""


def with_a_stranger(lab: Lab, variant: Variant) -> Rule:
    """Let the gateway map for others, and open a port to a host that is not there."""
    lab.gateway.reset(dataclasses.replace(variant, secure=False))
    url = lab.gateway.description_url
    lab.lan.run("upnpc", "-u", url, "-e", "stranger", "-a", STRANGER, "7000", "7000", "TCP", "600")
    return Rule("TCP", 7000, STRANGER, 7000)


def asking(lab: Lab, tmp_path: Path) -> tuple[str, ...]:
    """Return the options of every command of one test."""
    return ("--state-dir", str(tmp_path / "state"))


@pytest.mark.parametrize("backend", ["pcp", "upnp"])
def test_the_table_shows_ours_and_another_hosts(
    lab: Lab, program: Program, tmp_path: Path, backend: str
) -> None:
    """Over whichever protocol ours was opened: the device lists both."""
    with_a_stranger(lab, IGD2_AND_PCP)
    where = asking(lab, tmp_path)
    assert program.run("open", "8080/tcp", "--backend", backend, *where).status == 0
    assert lab.reaches("TCP", 8080)
    told = program.run("list", "--json", *where)
    assert told.status == 0, told.errors
    rows = {
        (r["protocol"], r["external_port"], r["internal_address"], r["ours"])
        for r in json.loads(told.output)["mappings"]
    }
    assert rows == {("TCP", 7000, STRANGER, False), ("TCP", 8080, LAN_HOST, True)}


@pytest.mark.parametrize("variant", [UPNP_ONLY, IGD1_ONLY], ids=lambda variant: variant.name)
def test_a_saved_table_is_restored(lab: Lab, program: Program, tmp_path: Path, variant: Variant) -> None:
    """`list --csv` before the gateway forgets all, one pass of `run` after."""
    stranger = with_a_stranger(lab, variant)
    where = asking(lab, tmp_path)
    assert program.run("open", "8080/tcp", "9000-9001/udp", *where).status == 0
    rules = lab.gateway.rules()
    assert stranger in rules
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


def test_close_leaves_another_hosts_entry_alone(lab: Lab, program: Program, tmp_path: Path) -> None:
    """It says whose it is; what is stale goes once the user agrees."""
    stranger = with_a_stranger(lab, UPNP_ONLY)
    where = asking(lab, tmp_path)
    assert program.run("open", "8080/tcp", *where).status == 0
    closed = program.run("close", "8080/tcp", "7000/tcp", *where)
    assert (closed.status, closed.output) == (0, "TCP 8080 is closed\n")
    assert f"it leads to {STRANGER}" in closed.errors
    assert lab.gateway.rules() == {stranger}
    assert "no host answers" in program.run("list", "--stale", "--json", *where).output
    assert program.run("close", "--stale", *where, stdin="n\n").status == 0
    assert lab.gateway.rules() == {stranger}
    assert program.run("close", "--stale", *where, stdin="y\n").status == 0
    assert lab.gateway.rules() == set()


def test_the_daemon_opens_and_closes_what_it_is_asked(lab: Lab, program: Program, tmp_path: Path) -> None:
    """The port answers from outside until it is closed."""
    where = asking(lab, tmp_path)
    ports = tmp_path / "ports.csv"
    ports.write_text("port;protocol\n8080;TCP\n")
    with program.running("run", *where, str(ports), log=tmp_path / "log") as daemon:
        daemon.until((tmp_path / "state" / "control.sock").exists, "listening")
        assert program.run("open", "9000/udp", *where).status == 0
        assert lab.reaches("UDP", 9000)
        assert program.run("close", "9000/udp", *where).output == "UDP 9000 is closed\n"
        assert {rule.external_port for rule in lab.gateway.rules()} == {8080}
