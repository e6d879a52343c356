"""Ports that only some remote hosts may use, on a real gateway."""

from __future__ import annotations

from pathlib import Path

import pytest
from netlab.hosts import answer_text
from netlab.lab import WAN_HOST, Lab
from netlab.program import Program

PORT = 8080
STRANGER = "198.51.100.99"


def opened(program: Program, tmp_path: Path, remote: str, *options: str) -> tuple[int, dict[str, object]]:
    """Run one pass with this remote host; return the exit status and the mapping."""
    ports = tmp_path / "ports.csv"
    ports.write_text(f"port;protocol;remote\n{PORT};TCP;{remote}\n")
    finished = program.run(
        "run", "--oneshot", "--json", "--state-dir", str(tmp_path / "state"), *options, str(ports)
    )
    return finished.status, finished.json()["mappings"][0]


@pytest.mark.parametrize("options", [(), ("--backend", "upnp")], ids=["any", "upnp"])
def test_only_the_named_host_can_connect(
    lab: Lab, program: Program, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Where every protocol may be used, UPnP is: this gateway grants PCP's filter and ignores it."""
    lab.servers.listen("TCP", PORT)
    status, mapping = opened(program, tmp_path, WAN_HOST, *options)
    assert (status, mapping["backend"], mapping["remote"]) == (0, "upnp", WAN_HOST), mapping
    assert lab.query_from_wan("TCP", PORT) == answer_text("TCP", PORT, WAN_HOST)
    status, mapping = opened(program, tmp_path, STRANGER, *options)
    assert (status, mapping["remote"]) == (0, STRANGER), mapping
    assert lab.query_from_wan("TCP", PORT) is None


def test_a_protocol_without_restrictions_opens_nothing(lab: Lab, program: Program, tmp_path: Path) -> None:
    """The reason says so."""
    status, mapping = opened(program, tmp_path, WAN_HOST, "--backend", "natpmp")
    assert (status, mapping["state"]) == (1, "refused")
    assert "cannot restrict" in str(mapping["error"])
    assert lab.gateway.rules() == set()
