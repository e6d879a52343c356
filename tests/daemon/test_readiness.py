"""When a daemon is ready."""

from __future__ import annotations

import pytest

from portmapper.api.reading import Reading, SourceState
from portmapper.daemon.readiness import not_ready

GOOD = Reading("ports.csv", state=SourceState.OK)
STALE = Reading("stale.csv", state=SourceState.STALE, error="no such file")
FAILED = Reading("bad.csv", state=SourceState.FAILED, error="no such file")


@pytest.mark.parametrize(
    ("readings", "has_gateway", "reasons"),
    [
        ([GOOD, STALE], True, []),
        ([], True, []),
        (None, True, ["the lists are being read"]),
        ([GOOD], False, ["no gateway answers"]),
        ([FAILED], True, ["bad.csv cannot be read: no such file"]),
        ([FAILED], False, ["bad.csv cannot be read: no such file", "no gateway answers"]),
    ],
)
def test_it_is_ready_with_a_gateway_and_its_lists(
    readings: list[Reading] | None, has_gateway: bool, reasons: list[str]
) -> None:
    """A list whose last valid content is in effect counts as read."""
    assert not_ready(readings, has_gateway) == reasons
