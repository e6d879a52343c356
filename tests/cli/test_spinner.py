"""What commands show on a terminal while they wait for a gateway that does not answer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pty = pytest.importorskip("pty", reason="needs a pseudoterminal")

STEPS = {
    "discover": (("discover",), "asking 1 gateway with NAT-PMP"),
    "list": (("list",), "reading the gateway"),
    "close": (("close", "8080/tcp"), "closing the ports"),
    "open": (("open", "8080/tcp"), "opening the ports"),
    "a single pass": (("run", "--oneshot", "ports.csv"), "opening the ports"),
}


@pytest.mark.parametrize("command", STEPS)
def test_a_command_that_waits_names_its_step(silence: tuple[str, ...], command: str, tmp_path: Path) -> None:
    """Within its first seconds, long before the search ends."""
    words, step = STEPS[command]
    (tmp_path / "ports.csv").write_text("port;protocol\n8080;TCP\n")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "portmapper", *words, *silence, "--backend", "natpmp", "--state-dir", "state"],
        cwd=tmp_path,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = b""
        while step.encode() not in shown:
            try:
                shown += os.read(ours, 4096)
            except OSError:  # the program has ended
                break
        process.kill()
    os.close(ours)
    assert step in shown.decode()
