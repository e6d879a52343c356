"""Recovery after a suspension that is longer than the leases."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from netlab.gateway import Variant
from netlab.lab import Lab
from netlab.managed_daemon import ENDPOINTS, ManagedDaemon
from netlab.program import Program

LIFE = 6
BACKENDS = [pytest.param(("--backend", name), id=name) for name in ("pcp", "upnp")]


@pytest.mark.parametrize("backend", BACKENDS)
def test_leases_that_expired_during_a_suspension_are_reopened(
    lab: Lab, program: Program, tmp_path: Path, backend: tuple[str, ...]
) -> None:
    """The ports answer within two seconds after the resume."""
    lab.gateway.reset(Variant("short-lived", extra=(f"min_lifetime={LIFE}",)))
    managed = ManagedDaemon(lab, program, tmp_path)
    managed.write(ENDPOINTS, duration=LIFE)
    with managed.daemon(*backend, "-n", "60") as daemon:
        daemon.process.send_signal(signal.SIGSTOP)
        managed.until(lambda: lab.gateway.rules() == set(), "run out", 60)
        daemon.process.send_signal(signal.SIGCONT)
        took = managed.until_open(time.monotonic(), 30)
        managed.until(lambda: lab.gateway.rules() == managed.expected_rules(), "as listed")
    print("resumed:", backend, f"{took:.2f} s")
    assert took <= 2
