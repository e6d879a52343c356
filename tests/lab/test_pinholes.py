"""Pinholes over UPnP's WANIPv6FirewallControl, beside the mappings of the same rows, on the real gateway."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from netlab.dual_stack import DUAL_STACK_UPNP, DualStack
from netlab.lab import LAN_HOST
from netlab.prober import Prober
from netlab.program import Program

PORT = 8080
PATIENCE = 30.0
"""Seconds that a loaded machine may take."""


@pytest.fixture
def both(dual_stack: DualStack) -> DualStack:
    """A gateway that speaks UPnP over both families. (PCP is never quite off: it stays on over IPv6.)"""
    dual_stack.lab.gateway.reset(DUAL_STACK_UPNP)
    return dual_stack


@pytest.fixture
def program(both: DualStack, tmp_path: Path) -> Program:
    """portmapper on the LAN host."""
    return Program(both.lab.lan, tmp_path)


@pytest.fixture
def asking(tmp_path: Path) -> tuple[str, ...]:
    """Return the options of every command."""
    return ("--backend", "upnp", "--state-dir", str(tmp_path / "state"))


def rows(tmp_path: Path, duration: int = 3600) -> str:
    """Write one row for both families; return the file's name."""
    file = tmp_path / "ports.csv"
    file.write_text(f"port;protocol;family;duration;comment\n{PORT};TCP;both;{duration};web\n")
    return str(file)


def handles(both: DualStack) -> list[str]:
    """Return the marks of the pinholes' rules, each of which the firewall gives only once."""
    listed = both.lab.router.run("nft", "-a", "list", "chain", "inet", "filter", "miniupnpd")
    return re.findall(r"@nh,192,128 .*# handle (\d+)", listed)


def test_one_row_opens_and_closes_both_families(
    both: DualStack, program: Program, asking: tuple[str, ...], tmp_path: Path
) -> None:
    """Both answer from outside, and neither does once it is closed."""
    assert not both.reaches("TCP", PORT)
    opened = program.run("run", "--oneshot", "--json", *asking, rows(tmp_path))
    assert opened.status == 0, opened.errors
    found = {mapping["family"]: mapping for mapping in opened.json()["mappings"]}
    assert [found[family]["state"] for family in ("ipv4", "ipv6")] == ["active", "active"]
    assert found["ipv6"]["internal_address"] == found["ipv6"]["external_address"] == both.host
    assert both.lab.reaches("TCP", PORT)
    assert both.reaches("TCP", PORT)
    closed = program.run("close", f"{PORT}/tcp", *asking)
    assert (closed.status, closed.output) == (0, f"TCP {PORT} is closed\n"), closed.errors
    assert both.ask_from_wan("TCP", PORT) is None
    assert both.lab.ask_from_wan("TCP", PORT) is None
    assert handles(both) == []


def test_what_no_store_remembers_is_closed_too(
    both: DualStack, program: Program, asking: tuple[str, ...], tmp_path: Path
) -> None:
    """`--only-close-ports` from another state directory finds the pinhole by where it leads."""
    assert program.run("run", "--oneshot", *asking, rows(tmp_path)).status == 0
    assert both.reaches("TCP", PORT)
    another = (*asking[:3], str(tmp_path / "another"))
    closed = program.run("run", "--only-close-ports", *another, rows(tmp_path))
    assert (closed.status, closed.errors) == (0, "")
    assert handles(both) == []


def test_a_pinhole_is_renewed_in_place(
    both: DualStack, program: Program, asking: tuple[str, ...], tmp_path: Path
) -> None:
    """Past the end of its first lease there is one rule still, and nobody outside noticed."""
    lifetime = 12
    with program.running("run", *asking, rows(tmp_path, lifetime), log=tmp_path / "log") as daemon:
        daemon.until(lambda: both.reaches("TCP", PORT), "open", PATIENCE)
        with Prober(lambda: both.ask_from_wan("TCP", PORT)) as prober:
            time.sleep(lifetime * 1.5)
        assert len(handles(both)) == 1
        assert prober.outages == []
        daemon.end()


def test_a_gateway_that_restarts_gets_its_pinholes_back(
    both: DualStack, program: Program, asking: tuple[str, ...], tmp_path: Path
) -> None:
    """Both families, though its numbers begin anew; one of another host stays as it is."""
    with program.running("run", *asking, rows(tmp_path), log=tmp_path / "log") as daemon:
        daemon.until(lambda: both.reaches("TCP", PORT), "open", PATIENCE)
        both.lab.gateway.restart()
        daemon.until(lambda: both.reaches("TCP", PORT), "open over IPv6 again", PATIENCE)
        daemon.until(lambda: both.lab.reaches("TCP", PORT), "open over IPv4 again", PATIENCE)
        daemon.end()


def test_another_host_has_to_ask_for_itself(
    both: DualStack, program: Program, asking: tuple[str, ...]
) -> None:
    """miniupnpd opens a pinhole only for whoever asks."""
    refused = program.run("open", f"{PORT}/tcp", "--to", f"{both.host}77", *asking)
    assert refused.status == 1
    assert f"only from {both.host}77 itself: run portmapper there" in refused.errors
    assert handles(both) == []


def test_a_saved_table_is_restored_with_its_pinholes(
    both: DualStack, program: Program, asking: tuple[str, ...], tmp_path: Path
) -> None:
    """`list --csv` has them as our leases, since no gateway lists them; the emptied one gets all back."""
    opened = program.run("run", "--oneshot", *asking, rows(tmp_path))
    assert opened.status == 0, opened.errors
    told = program.run("list", "--json", *asking)
    where = {(row["internal_address"], row["ours"]) for row in json.loads(told.output)["mappings"]}
    assert where == {(LAN_HOST, True), (both.host, True)}
    saved = tmp_path / "saved.csv"
    saved.write_text(program.run("list", "--csv", *asking).output)
    both.lab.gateway.restart()
    assert handles(both) == []
    another = (*asking[:3], str(tmp_path / "another"))
    restored = program.run("run", "--oneshot", *another, str(saved))
    assert restored.status == 0, restored.errors
    assert both.lab.reaches("TCP", PORT)
    assert both.reaches("TCP", PORT)
