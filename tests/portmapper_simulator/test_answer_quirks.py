"""Quirks of faults."""

from __future__ import annotations

from typing import Any


async def test_h2_and_h3_change_faults(start: Any, add: Any) -> None:
    """Faults have no namespaces, no description, and HTTP status 200."""
    gateway = await start("H2", "H3", "H3-no-description", "M7-606")
    answer = await add(gateway, 8080)
    assert (answer.status, answer.value("errorCode")) == (200, "606")
    assert "errorDescription" not in answer.text
    assert "xmlns" not in answer.text
