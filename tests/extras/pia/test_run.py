"""The command line with the double."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any


async def portmapper(*words: str, **settings: str) -> tuple[int | None, str]:
    """Run the command line with settings of the plugin; return its exit status and standard output."""
    environment = {f"PORTMAPPER_PLUGIN_PIA_{key.upper()}": value for key, value in settings.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "portmapper",
        *words,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode()


async def test_two_runs_open_the_same_port(server: Any, written: dict[str, str], tmp_path: Path) -> None:
    """Although the first one closed its ports. The row for both protocols has one number."""
    (tmp_path / "ports.csv").write_text("port;internal_port;protocol;comment\nany;51413;both;torrents\n")
    words = ["run", str(tmp_path / "ports.csv"), "--backend", "pia", "--gateway", "127.0.0.1"]
    words += ["--state-dir", str(tmp_path / "state"), "--oneshot", "--json"]
    for _ in range(2):
        status, out = await portmapper(*words, **written)
        mappings = json.loads(out)["mappings"]
        assert (status, [mapping["state"] for mapping in mappings]) == (0, ["active", "active"])
        assert {mapping["external_port"] for mapping in mappings} == {47047}
        assert (await portmapper(*words[:-2], "--only-close-ports", **written))[0] == 0
    assert server.granted == 1


async def test_a_second_row_says_why_it_is_not_open(
    server: Any, written: dict[str, str], tmp_path: Path
) -> None:
    """The first row keeps the port."""
    (tmp_path / "ports.csv").write_text("port;internal_port;protocol\nany;51413;tcp\nany;8080;tcp\n")
    words = ["run", str(tmp_path / "ports.csv"), "--backend", "pia", "--gateway", "127.0.0.1"]
    words += ["--state-dir", str(tmp_path / "state"), "--oneshot", "--json"]
    status, out = await portmapper(*words, **written)
    mappings = json.loads(out)["mappings"]
    assert status == 1
    states = {mapping["state"]: mapping for mapping in mappings}
    assert "the VPN forwards one port, and" in states["refused"]["error"]
    assert set(states) == {"active", "refused"}
