"""One row opens a mapping and a pinhole; both answer from outside, and follow the host's addresses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from netlab.dual_stack import DualStack
from netlab.lab import LAN_HOST
from netlab.program import Program

PORT = 8080


@pytest.fixture
def program(dual_stack: DualStack, tmp_path: Path) -> Program:
    """portmapper on the LAN host of the dual-stack lab."""
    return Program(dual_stack.lab.lan, tmp_path)


@pytest.fixture
def ports(tmp_path: Path) -> Path:
    """One row for both families."""
    file = tmp_path / "ports.csv"
    file.write_text(f"port;protocol;family;comment\n{PORT};TCP;both;web\n")
    return file


def by_family(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the mappings of a status document, of which there is one for each family."""
    mappings = {mapping["family"]: mapping for mapping in document["mappings"]}
    assert len(mappings) == len(document["mappings"])
    return mappings


def test_one_row_opens_both_families_over_pcp(
    dual_stack: DualStack, program: Program, ports: Path, tmp_path: Path
) -> None:
    """A pinhole's outside is its inside; both answer the WAN host, and both are closed again."""
    state = ("--state-dir", str(tmp_path / "state"))
    finished = program.run("run", "--oneshot", "--json", "--backend", "pcp", *state, str(ports))
    assert finished.status == 0, finished.errors
    found = by_family(finished.json())
    assert (found["ipv4"]["state"], found["ipv4"]["internal_address"]) == ("active", LAN_HOST)
    pinhole = found["ipv6"]
    assert (pinhole["state"], pinhole["backend"]) == ("active", "pcp")
    assert pinhole["internal_address"] == pinhole["external_address"] == dual_stack.host
    assert pinhole["internal_port"] == pinhole["external_port"] == PORT
    assert dual_stack.lab.reaches("TCP", PORT)
    assert dual_stack.reaches("TCP", PORT)
    closed = program.run("run", "--only-close-ports", "--backend", "pcp", *state, str(ports))
    assert closed.status == 0, closed.errors
    assert dual_stack.ask_from_wan("TCP", PORT) is None
    assert dual_stack.lab.ask_from_wan("TCP", PORT) is None
