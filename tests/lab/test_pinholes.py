"""Pinholes over UPnP's WANIPv6FirewallControl on a real gateway."""

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
"""Timeout in seconds for a machine under load."""


@pytest.fixture
def both(dual_stack: DualStack) -> DualStack:
    """A gateway with UPnP over both families; miniupnpd cannot disable PCP over IPv6."""
    dual_stack.lab.gateway.reset(DUAL_STACK_UPNP)
    return dual_stack


@pytest.fixture
def program(both: DualStack, tmp_path: Path) -> Program:
    """portmapper on the LAN host."""
    return Program(both.lab.lan, tmp_path)


@pytest.fixture
def options(tmp_path: Path) -> tuple[str, ...]:
    """Return the options of every command."""
    return ("--backend", "upnp", "--state-dir", str(tmp_path / "state"))


def rows(tmp_path: Path, duration: int = 3600) -> str:
    """Write one row for both families, and return the path."""
    file = tmp_path / "ports.csv"
    file.write_text(f"port;protocol;family;duration;comment\n{PORT};TCP;both;{duration};web\n")
    return str(file)


def handles(both: DualStack) -> list[str]:
    """Return the handles of the pinhole rules, which the firewall never reuses."""
    listed = both.lab.router.run("nft", "-a", "list", "chain", "inet", "filter", "miniupnpd")
    return re.findall(r"@nh,192,128 .*# handle (\d+)", listed)


def test_one_row_opens_and_closes_both_families(
    both: DualStack, program: Program, options: tuple[str, ...], tmp_path: Path
) -> None:
    """Both answer from the WAN, and neither does after closing."""
    assert not both.reaches("TCP", PORT)
    opened = program.run("run", "--oneshot", "--json", *options, rows(tmp_path))
    assert opened.status == 0, opened.errors
    found = {mapping["family"]: mapping for mapping in opened.json()["mappings"]}
    assert [found[family]["state"] for family in ("ipv4", "ipv6")] == ["active", "active"]
    assert found["ipv6"]["internal_address"] == found["ipv6"]["external_address"] == both.host
    assert both.lab.reaches("TCP", PORT)
    assert both.reaches("TCP", PORT)
    closed = program.run("close", f"{PORT}/tcp", *options)
    assert (closed.status, closed.output) == (0, f"{PORT}/tcp is closed\n"), closed.errors
    assert both.query_from_wan("TCP", PORT) is None
    assert both.lab.query_from_wan("TCP", PORT) is None
    assert handles(both) == []


def test_a_pinhole_missing_in_the_store_is_closed(
    both: DualStack, program: Program, options: tuple[str, ...], tmp_path: Path
) -> None:
    """`--only-close-ports` with another state directory finds the pinhole by its target."""
    assert program.run("run", "--oneshot", *options, rows(tmp_path)).status == 0
    assert both.reaches("TCP", PORT)
    another = (*options[:3], str(tmp_path / "another"))
    closed = program.run("run", "--only-close-ports", *another, rows(tmp_path))
    assert (closed.status, closed.errors) == (0, "")
    assert handles(both) == []


def test_a_pinhole_is_renewed_in_place(
    both: DualStack, program: Program, options: tuple[str, ...], tmp_path: Path
) -> None:
    """After its first lease there is still one rule, and there was no outage."""
    lifetime = 12
    with program.running("run", *options, rows(tmp_path, lifetime), log=tmp_path / "log") as daemon:
        daemon.until(lambda: both.reaches("TCP", PORT), "open", PATIENCE)
        with Prober(lambda: both.query_from_wan("TCP", PORT)) as prober:
            time.sleep(lifetime * 1.5)
        assert len(handles(both)) == 1
        assert prober.outages == []
        daemon.end()


def test_pinholes_and_mappings_are_reopened_after_a_gateway_restart(
    both: DualStack, program: Program, options: tuple[str, ...], tmp_path: Path
) -> None:
    """The gateway restarts its pinhole ids."""
    with program.running("run", *options, rows(tmp_path), log=tmp_path / "log") as daemon:
        daemon.until(lambda: both.reaches("TCP", PORT), "open", PATIENCE)
        both.lab.gateway.restart()
        daemon.until(lambda: both.reaches("TCP", PORT), "open over IPv6 again", PATIENCE)
        daemon.until(lambda: both.lab.reaches("TCP", PORT), "open over IPv4 again", PATIENCE)
        daemon.end()


def test_a_pinhole_for_another_host_is_refused(
    both: DualStack, program: Program, options: tuple[str, ...]
) -> None:
    """miniupnpd opens a pinhole only to the requesting host."""
    refused = program.run("open", f"{PORT}/tcp", "--to", f"{both.host}77", *options)
    assert refused.status == 1
    assert f"only from {both.host}77 itself: run portmapper there" in refused.errors
    assert handles(both) == []


def test_a_saved_table_is_restored_with_pinholes(
    both: DualStack, program: Program, options: tuple[str, ...], tmp_path: Path
) -> None:
    """`list --csv` includes the stored leases of pinholes, because no gateway lists them."""
    opened = program.run("run", "--oneshot", *options, rows(tmp_path))
    assert opened.status == 0, opened.errors
    result = program.run("list", "--json", *options)
    where = {(row["internal_address"], row["ours"]) for row in json.loads(result.output)["mappings"]}
    assert where == {(LAN_HOST, True), (both.host, True)}
    saved = tmp_path / "saved.csv"
    saved.write_text(program.run("list", "--csv", *options).output)
    both.lab.gateway.restart()
    assert handles(both) == []
    another = (*options[:3], str(tmp_path / "another"))
    restored = program.run("run", "--oneshot", *another, str(saved))
    assert restored.status == 0, restored.errors
    assert both.lab.reaches("TCP", PORT)
    assert both.reaches("TCP", PORT)
