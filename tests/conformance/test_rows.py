"""Every row of the conformance list has a test that is named after it."""

from __future__ import annotations

import re
from pathlib import Path

from portmapper_simulator.quirks import QUIRKS

ROWS = {"D": 19, "H": 16, "S": 10, "M": 35, "P": 23}
NOT_A_QUIRK = {
    "D9": "a second device",
    "D11": "a second address",
    "D19": "many other devices",
    "M16": "every gateway keeps entries",
    "P11": "every epoch advances",
    "P12": "every restart is announced",
    "P13": "every gateway deletes",
}
"""Rows without a quirk in the simulator, and why."""

TEST = re.compile(r"^(?:async )?def test_([dhsmp]\d+)_(?:([dhsmp]\d+)_)?", re.MULTILINE)


def rows() -> set[str]:
    """Return the names of all rows."""
    return {f"{group}{number}" for group, last in ROWS.items() for number in range(1, last + 1)}


def test_every_row_has_a_test() -> None:
    """No test has the name of a row that does not exist."""
    texts = (path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    tested = {name.upper() for text in texts for found in TEST.findall(text) for name in found if name}
    assert len(rows()) == 103
    assert tested == rows()


def test_every_row_is_a_quirk_or_listed_as_none() -> None:
    """`simulate --quirk` accepts the names of all quirks."""
    assert rows() - QUIRKS.keys() == NOT_A_QUIRK.keys()
