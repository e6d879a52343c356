"""The program stands still for longer than its leases live, as on a host that was suspended."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from netlab.gateway import Variant
from netlab.keeping import WAYS, Kept
from netlab.lab import Lab
from netlab.program import Program

LIFE = 6
BACKENDS = [pytest.param(("--backend", name), id=name) for name in ("pcp", "upnp")]


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_ran_out_while_the_host_slept_is_open_again_at_once(
    lab: Lab, program: Program, tmp_path: Path, backend: tuple[str, ...]
) -> None:
    """The gateway forgot every port meanwhile; within two seconds of the resume they answer."""
    lab.gateway.reset(Variant("short-lived", extra=(f"min_lifetime={LIFE}",)))
    kept = Kept(lab, program, tmp_path)
    kept.write(WAYS, duration=LIFE)
    with kept.daemon(*backend, "-n", "60") as daemon:
        daemon.process.send_signal(signal.SIGSTOP)
        kept.until(lambda: lab.gateway.rules() == set(), "run out", 60)
        daemon.process.send_signal(signal.SIGCONT)
        took = kept.until_open(time.monotonic(), 30)
        assert lab.gateway.rules() == kept.wanted_rules()
    print("resumed:", backend, f"{took:.2f} s")
    assert took <= 2
