"""Every behaviour that the project collects has a test that is named after it."""

from __future__ import annotations

import re
from pathlib import Path

ROWS = {"D": 10, "H": 7, "S": 6, "M": 16, "P": 17}
TEST = re.compile(r"^(?:async )?def test_([dhsmp]\d+)_", re.MULTILINE)


def test_every_row_has_a_test() -> None:
    """56 of 56, and no name for a row that is not there."""
    rows = {f"{group}{number}" for group, last in ROWS.items() for number in range(1, last + 1)}
    texts = (path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    tested = {found.upper() for text in texts for found in TEST.findall(text)}
    assert len(rows) == 56
    assert tested == rows
