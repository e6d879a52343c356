"""Every behaviour that the project collects has a test that is named after it."""

from __future__ import annotations

import re
from pathlib import Path

from portmapper_simulator.quirks import QUIRKS

ROWS = {"D": 10, "H": 7, "S": 6, "M": 16, "P": 17}
NOT_A_QUIRK = {
    "D9": "a second device",
    "M16": "every gateway keeps entries",
    "P11": "every epoch advances",
    "P12": "every restart is announced",
    "P13": "every gateway deletes",
}
"""What no switch can make odd, and why."""

TEST = re.compile(r"^(?:async )?def test_([dhsmp]\d+)_", re.MULTILINE)


def rows() -> set[str]:
    """Return the names of all behaviours."""
    return {f"{group}{number}" for group, last in ROWS.items() for number in range(1, last + 1)}


def test_every_row_has_a_test() -> None:
    """56 of 56, and no name for a row that is not there."""
    texts = (path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    tested = {found.upper() for text in texts for found in TEST.findall(text)}
    assert len(rows()) == 56
    assert tested == rows()


def test_every_row_is_a_quirk_or_no_oddity() -> None:
    """`simulate --quirk` takes each by its name."""
    assert rows() - QUIRKS.keys() == NOT_A_QUIRK.keys()
