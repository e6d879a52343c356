"""Quirks of HTTP answers and their XML."""

from __future__ import annotations

import asyncio
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


@pytest.mark.parametrize("quirk", ["H6-port", "H6-urlbase", "H6-urlbase-no-slash", "H6-query"])
async def test_h6_control_urls_lead_to_the_service(start: Any, fetch: Any, soap: Any, quirk: str) -> None:
    """Each form of URL resolves to the same service."""
    gateway = await start(quirk)
    text = (await fetch(gateway, "/rootDesc.xml")).text
    url = next(url for url in re.findall("<controlURL>(.*?)</controlURL>", text) if "CmnIfCfg" not in url)
    path = {"http": "/ctl/WANIPConn1", "ctl/": f"/{url}", "?con": f"/rootDesc.xml{url}"}[url[:4]]
    assert (await soap(gateway, "GetStatusInfo", path)).value("NewConnectionStatus") == "Connected"


async def test_h1_changes_framing_and_content_type(start: Any) -> None:
    """The answer is chunked and has bare line feeds and a wrong content type."""
    gateway = await start("H1")
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.http_port)
    writer.write(b"GET /rootDesc.xml HTTP/1.0\r\n\r\n")
    head, _, body = (await reader.read()).partition(b"\n\n")
    writer.close()
    assert b"\r" not in head
    assert b"Transfer-Encoding: chunked" in head
    assert b"application/octet-stream" in head
    assert body.endswith(b"\r\n0\r\n\r\n")


async def test_h2_and_h3_change_faults(start: Any, add: Any) -> None:
    """Faults have no namespaces, no description, and HTTP status 200."""
    gateway = await start("H2", "H3", "H3-no-description", "M7-606")
    answer = await add(gateway, 8080)
    assert (answer.status, answer.value("errorCode")) == (200, "606")
    assert "errorDescription" not in answer.text
    assert "xmlns" not in answer.text


async def test_h7_requires_the_order_of_arguments(start: Any, soap: Any) -> None:
    """Reversed arguments are refused."""
    gateway = await start("H7", igd_version=1)
    key = {"NewRemoteHost": "", "NewExternalPort": 1, "NewProtocol": "TCP"}
    assert (await soap(gateway, "DeletePortMapping", **key)).value("errorCode") == "714"
    backwards = dict(reversed(key.items()))
    assert (await soap(gateway, "DeletePortMapping", **backwards)).value("errorCode") == "402"
