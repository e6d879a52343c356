"""A soak of five minutes, a quarter for each backend choice; `nox -s soak` runs a longer one."""

from __future__ import annotations

from pathlib import Path

import pytest
from netlab.soak.run import BACKENDS, soak

SECONDS = 300 / len(BACKENDS)
SEED = 725


@pytest.mark.timeout(480)
@pytest.mark.parametrize("backend", BACKENDS)
def test_random_faults_cause_no_violations(lab_can_run: None, tmp_path: Path, backend: str) -> None:
    """Outages end in time, other hosts' entries stay, and there are neither leftovers nor leaks."""
    report = soak(SECONDS, SEED, tmp_path, [backend])
    print(report.text())
    assert report.complaints == []
