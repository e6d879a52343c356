"""Quirks of answers to an SSDP search."""

from __future__ import annotations

from typing import Any

import pytest

from portmapper_simulator.quirks import QUIRKS

SEARCH = (
    b'M-SEARCH * HTTP/1.1\r\nMAN: "ssdp:discover"\r\n'
    b"ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n"
)


@pytest.mark.parametrize(
    ("quirk", "answers"),
    [
        ("D1-multicast-only", 0),
        ("D1-unicast-only", 1),
        ("D2", 2),
        ("D3", 1),
        ("D4", 1),
        ("D5", 5),
        ("D10", 0),
    ],
)
async def test_a_unicast_search_gets_as_many_answers(
    start: Any, client: Any, quirk: str, answers: int
) -> None:
    """No further answer follows."""
    gateway = await start(quirk)
    client.send(SEARCH, "127.0.0.1", gateway.ssdp_port)
    for _ in range(answers):
        assert b"rootDesc.xml" in await client.next() or quirk == "D2"
    assert await client.is_silent()


@pytest.mark.parametrize("quirk", [name for name in QUIRKS if name.startswith("D6")])
async def test_d6_sends_a_misleading_location(start: Any, client: Any, quirk: str) -> None:
    """The LOCATION is wrong, except for loopback, where the test gateway runs."""
    gateway = await start(quirk)
    client.send(SEARCH, "127.0.0.1", gateway.ssdp_port)
    misleads = gateway.location.encode() not in await client.next()
    assert misleads or quirk == "D6-loopback"
