"""Quirks of WAN connections and their external address."""

from __future__ import annotations

from typing import Any

import pytest


async def test_s1_has_a_disconnected_connection_first(start: Any, soap: Any) -> None:
    """Only the second one is connected."""
    gateway = await start("S1")
    for path, status in (("/ctl/WANIPConn1", "Disconnected"), ("/ctl/WANIPConn2", "Connected")):
        assert (await soap(gateway, "GetStatusInfo", path)).value("NewConnectionStatus") == status


@pytest.mark.parametrize(
    ("quirk", "address"),
    [("S2", "192.168.100.2"), ("S5", "0.0.0.0"), ("S5-empty", ""), ("S6-cgnat", "100.64.12.34")],
)
async def test_an_external_address_is_unusual(start: Any, soap: Any, quirk: str, address: str) -> None:
    """It is the one of the quirk."""
    gateway = await start(quirk)
    assert (await soap(gateway, "GetExternalIPAddress")).value("NewExternalIPAddress") == address
