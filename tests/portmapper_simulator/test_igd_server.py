"""Descriptions and paths of the UPnP server."""

from __future__ import annotations

import re
from typing import Any


async def test_the_description_leads_to_its_services(gateway: Any, fetch: Any) -> None:
    """Every SCPD in the description exists, and lists its actions."""
    described = await fetch(gateway, "/rootDesc.xml")
    assert "urn:schemas-upnp-org:device:InternetGatewayDevice:2" in described.text
    for path in re.findall("<SCPDURL>(.*?)</SCPDURL>", described.text):
        assert "<action>" in (await fetch(gateway, path)).text
    assert "AddAnyPortMapping" in (await fetch(gateway, "/WANIPCn.xml")).text


async def test_an_unknown_path_is_404_and_an_unknown_method_405(gateway: Any, fetch: Any) -> None:
    """This includes control URLs."""
    assert (await fetch(gateway, "/nothing")).status == 404
    assert (await fetch(gateway, "/ctl/nothing", "POST")).status == 404
    assert (await fetch(gateway, "/evt/WANIPConn1", "SUBSCRIBE")).status == 405
    assert (await fetch(gateway, "/rootDesc.xml", "HEAD")).text == ""
