"""A soak of five minutes, a quarter with each choice of backend; the long one is `nox -s soak`."""

from __future__ import annotations

from pathlib import Path

import pytest
from netlab.soak.run import BACKENDS, soak

SECONDS = 300 / len(BACKENDS)
SEED = 725


@pytest.mark.timeout(480)
@pytest.mark.parametrize("backend", BACKENDS)
def test_random_faults_close_nothing_for_long_and_leave_nothing_behind(
    lab_can_run: None, tmp_path: Path, backend: str
) -> None:
    """Outages end in time, no stranger's entry is touched, nothing is left, nothing grows."""
    report = soak(SECONDS, SEED, tmp_path, [backend])
    print(report.text())
    assert report.complaints == []
