"""Quirks of what a gateway accepts as a call."""

from __future__ import annotations

from typing import Any


async def test_h7_requires_the_order_of_arguments(start: Any, soap: Any) -> None:
    """Reversed arguments are refused."""
    gateway = await start("H7", igd_version=1)
    key = {"NewRemoteHost": "", "NewExternalPort": 1, "NewProtocol": "TCP"}
    assert (await soap(gateway, "DeletePortMapping", **key)).value("errorCode") == "714"
    backwards = dict(reversed(key.items()))
    assert (await soap(gateway, "DeletePortMapping", **backwards)).value("errorCode") == "402"
