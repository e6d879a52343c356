"""Quirks of descriptions and control URLs."""

from __future__ import annotations

import re
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("quirk", "found"),
    [
        ("S3-ppp", "WANPPPConnection:1"),
        ("H6-urlbase", "<URLBase>"),
        ("H4-dtd", "<!DOCTYPE"),
        ("H4-deep", "</a></a>"),
    ],
)
async def test_a_description_is_unusual(start: Any, fetch: Any, quirk: str, found: str) -> None:
    """It is the one of the quirk."""
    gateway = await start(quirk)
    assert found in (await fetch(gateway, "/rootDesc.xml")).text


async def test_d8_describes_no_connection(start: Any, fetch: Any) -> None:
    """The description is otherwise complete."""
    gateway = await start("D8")
    text = (await fetch(gateway, "/rootDesc.xml")).text
    assert "InternetGatewayDevice" in text
    assert "WANIPConnection" not in text


@pytest.mark.parametrize("quirk", ["H6-port", "H6-urlbase", "H6-urlbase-no-slash", "H6-query"])
async def test_h6_control_urls_lead_to_the_service(start: Any, fetch: Any, soap: Any, quirk: str) -> None:
    """Each form of URL resolves to the same service."""
    gateway = await start(quirk)
    text = (await fetch(gateway, "/rootDesc.xml")).text
    url = next(url for url in re.findall("<controlURL>(.*?)</controlURL>", text) if "CmnIfCfg" not in url)
    path = {"http": "/ctl/WANIPConn1", "ctl/": f"/{url}", "?con": f"/rootDesc.xml{url}"}[url[:4]]
    assert (await soap(gateway, "GetStatusInfo", path)).value("NewConnectionStatus") == "Connected"


async def test_m14_moves_the_description(start: Any, fetch: Any) -> None:
    """The old URL does not exist after a restart."""
    gateway = await start("M14")
    before = gateway.location
    await gateway.restart()
    assert gateway.location != before
    assert (await fetch(gateway, "/rootDesc-1.xml")).status == 404
    assert (await fetch(gateway, "/rootDesc-2.xml")).status == 200
