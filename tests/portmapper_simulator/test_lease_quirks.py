"""Quirks of lifetimes."""

from __future__ import annotations

from typing import Any


async def test_m15_keeps_only_permanent_leases(start: Any, add: Any) -> None:
    """It accepts finite ones too."""
    gateway = await start("M15", relay=False)
    assert (await add(gateway, 8080)).status == 200
    assert len(gateway.table) == 0
    await add(gateway, 8080, NewLeaseDuration=0)
    assert len(gateway.table) == 1
