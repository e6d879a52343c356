"""A short soak; the long one is `nox -s soak`."""

from __future__ import annotations

from pathlib import Path

import pytest
from netlab.soak import soak

SECONDS = 60
SEED = 725


@pytest.mark.timeout(SECONDS * 4 + 60)
def test_random_faults_close_nothing_for_long_and_leave_nothing_behind(
    lab_can_run: None, tmp_path: Path
) -> None:
    """Outages end in time, no stranger's entry is touched, nothing is left, nothing grows."""
    report = soak(SECONDS, SEED, tmp_path)
    print(report.text())
    assert report.complaints == []
