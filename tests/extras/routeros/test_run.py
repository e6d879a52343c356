"""The command line with a fake router."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any


async def portmapper(*words: str) -> tuple[int | None, str]:
    """Run the command line; return its exit status and standard output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "portmapper", *words, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode()


async def test_run_adds_a_rule_and_removes_it(router: Any, tmp_path: Path) -> None:
    """One pass adds the rule of the list, and `--only-close-ports` removes it."""
    (tmp_path / "ports.csv").write_text("port;protocol;comment;duration\n8080;TCP;web;3600\n")
    words = ["run", str(tmp_path / "ports.csv"), "--backend", "routeros", "--gateway", "127.0.0.1"]
    words += ["--state-dir", str(tmp_path / "state")]
    status, out = await portmapper(*words, "--oneshot", "--json")
    (mapping,) = json.loads(out)["mappings"]
    assert (status, mapping["state"], mapping["permanent"], mapping["backend"]) == (
        0,
        "active",
        True,
        "routeros",
    )
    assert [rule["comment"] for rule in router.rules] == ["portmapper: web"]
    assert (await portmapper(*words, "--only-close-ports"))[0] == 0
    assert router.rules == []
