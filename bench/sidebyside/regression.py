"""Comparison with the expected ratios, which depend less on the machine than times do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from sidebyside.rows import Row

WORSE = 1.5
"""Largest accepted growth of a ratio."""

EXPECTED = Path(__file__).with_name("expected.json")


def regressions(rows: Sequence[Row]) -> dict[str, str]:
    """Return a line for each steady ratio that has grown by more than half, by name."""
    expected: dict[str, float] = json.loads(EXPECTED.read_text())
    return {
        row.name: f"{row.name}: the ratio is {row.ratio:.2f}, and was {expected[row.name]:.2f}"
        for row in rows
        if row.steady and row.ratio and row.ratio > WORSE * expected.get(row.name, float("inf"))
    }


def write(rows: Sequence[Row]) -> None:
    """Store the ratios of this run as expected."""
    ratios = {row.name: round(row.ratio, 3) for row in rows if row.steady and row.ratio}
    EXPECTED.write_text(json.dumps(ratios, indent=2, sort_keys=True) + "\n")
