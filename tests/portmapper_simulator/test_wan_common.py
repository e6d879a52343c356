"""WANCommonInterfaceConfig over plain HTTP."""

from __future__ import annotations

from typing import Any

COMMON = "/ctl/CmnIfCfg"


async def test_the_link_and_its_counters_are_reported(gateway: Any, soap: Any) -> None:
    """`upnpc -s` requests these actions."""
    assert (await soap(gateway, "GetExternalIPAddress")).value("NewExternalIPAddress") == "11.22.33.44"
    assert (await soap(gateway, "GetStatusInfo")).value("NewConnectionStatus") == "Connected"
    assert (await soap(gateway, "GetNATRSIPStatus")).value("NewNATEnabled") == "1"
    link = await soap(gateway, "GetCommonLinkProperties", COMMON)
    assert link.value("NewPhysicalLinkStatus") == "Up"
    assert (await soap(gateway, "GetTotalBytesSent", COMMON)).value("NewTotalBytesSent") == "0"
