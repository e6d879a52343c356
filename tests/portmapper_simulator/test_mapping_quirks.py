"""Quirks of requests to add a mapping."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("quirk", "changes", "code"),
    [
        ("M1", {}, "725"),
        ("M1", {"NewLeaseDuration": 0}, None),
        ("M1-402", {}, "402"),
        ("M2", {"NewLeaseDuration": 0}, "402"),
        ("M2", {}, None),
        ("M4", {}, "729"),
        ("M4-501", {}, "501"),
        ("M5", {"NewInternalPort": 9090}, "724"),
        ("M5", {}, None),
        ("M7-606", {}, "606"),
        ("M7-727", {}, "727"),
        ("M7-728", {}, "728"),
        ("M8", {"action": "AddAnyPortMapping"}, "401"),
        ("M12", {"client": "127.0.0.9"}, "606"),
        ("M12", {}, None),
        ("M12-718", {"client": "127.0.0.9"}, "718"),
    ],
)
async def test_a_mapping_is_refused(start: Any, add: Any, quirk: str, changes: Any, code: str | None) -> None:
    """The error is that of the quirk; without an error, the mapping is granted."""
    gateway = await start(quirk, relay=False)
    assert (await add(gateway, 8080, **changes)).value("errorCode") == code
    assert len(gateway.table) == (0 if code else 1)


@pytest.mark.parametrize(("quirk", "code"), [("M3", "718"), ("M13", "501")])
async def test_a_renewal_is_refused(start: Any, add: Any, quirk: str, code: str) -> None:
    """The first request is granted, and the mapping stays."""
    gateway = await start(quirk, relay=False)
    assert (await add(gateway, 8080)).status == 200
    assert (await add(gateway, 8080)).value("errorCode") == code
    assert len(gateway.table) == 1


async def test_m9_assigns_another_port(start: Any, add: Any) -> None:
    """The answer contains the assigned port."""
    gateway = await start("M9", relay=False)
    assert (await add(gateway, 8080, "AddAnyPortMapping")).value("NewReservedPort") == "9080"
