"""A machine with 6 % of a processor, such as a router or a busy NAS."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from netlab.gateway import UPNP_OFF, UPNP_ONLY, Variant
from netlab.lab import Lab
from netlab.program import Program

SHARE = 0.06
PERIOD = 0.1
"""Seconds: the program runs for a share of each period, and is stopped for the rest."""

LIMIT = 90.0
"""Seconds until the port must be open. The imports alone take 10 s at this share."""


@contextlib.contextmanager
def slowed(pid: int) -> Iterator[None]:
    """Let a process run for only a share of the time."""
    ended = threading.Event()

    def alternate() -> None:
        with contextlib.suppress(ProcessLookupError):
            while not ended.is_set():
                os.kill(pid, signal.SIGSTOP)
                time.sleep(PERIOD * (1 - SHARE))
                os.kill(pid, signal.SIGCONT)
                time.sleep(PERIOD * SHARE)

    thread = threading.Thread(target=alternate, name="slowed")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("variant", [UPNP_ONLY, UPNP_OFF], ids=lambda variant: variant.name)
def test_a_port_is_opened_on_a_slow_machine(
    lab: Lab, program: Program, variant: Variant, tmp_path: Path
) -> None:
    """Each time limit begins when the program can listen, not before its libraries are loaded."""
    lab.gateway.reset(variant)
    ports = tmp_path / "ports.csv"
    ports.write_text("port;protocol\n8080;tcp\n")
    arguments = ("run", "--state-dir", str(tmp_path / "state"), "--foreground", str(ports))
    began = time.monotonic()
    with program.running(*arguments, log=tmp_path / "daemon.log") as running, slowed(running.process.pid):
        running.until(lab.gateway.rules, "open", LIMIT)
        took = time.monotonic() - began
        log = running.log
    print(f"open with {SHARE:.0%} of a processor, {variant.name}: {took:.1f} s")
    assert "no gateway answered" not in log
