"""What a gateway reports about its connection."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from portmapper.api import Connection

LINK = (
    "<service><serviceType>urn:schemas-upnp-org:service:WANCommonInterfaceConfig:1</serviceType>"
    "<controlURL>/link</controlURL></service>"
)


async def test_the_connection_is_described(router: Any, build: Any, connected: Any) -> None:
    """As `upnpc -s` and `upnpc -P` do it."""
    page = "<presentationURL>/index.html</presentationURL>"
    plain = build.description(build.service("WANIPConnection:1") + LINK)
    router.description = plain.replace("<deviceType>", f"{page}<deviceType>", 1)
    router.more = {
        "GetStatusInfo": lambda _: {
            "NewConnectionStatus": "Connected",
            "NewLastConnectionError": "ERROR_NONE",
            "NewUptime": "3661",
        },
        "GetConnectionTypeInfo": lambda _: {"NewConnectionType": "IP_Routed"},
        "GetCommonLinkProperties": lambda _: {
            "NewLayer1UpstreamMaxBitRate": "40000000",
            "NewLayer1DownstreamMaxBitRate": "250000000",
        },
    }
    assert await (await connected()).connection() == Connection(
        kind="IP_Routed",
        status="Connected",
        uptime=3661,
        upstream=40_000_000,
        downstream=250_000_000,
        page=f"http://127.0.0.1:{router.port}/index.html",
    )


async def test_what_the_gateway_does_not_tell_is_left_out(router: Any, connected: Any) -> None:
    """No service for the line, no uptime, garbage, or a page on another host."""
    router.description = router.description.replace(
        "<deviceType>", "<presentationURL>http://203.0.113.9/</presentationURL><deviceType>", 1
    )
    router.more = {
        "GetStatusInfo": lambda _: {
            "NewConnectionStatus": "Disconnected",
            "NewLastConnectionError": "ERROR_ISP_TIME_OUT",
            "NewUptime": "-5",
        }
    }
    assert await (await connected()).connection() == Connection(
        status="Disconnected", last_error="ERROR_ISP_TIME_OUT"
    )


async def test_a_question_that_hangs_is_given_up(
    router: Any, connected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other answers are used."""
    gateway = await connected()
    monkeypatch.setattr("portmapper_upnp.connection.QUERY_TIME", 0.5)
    monkeypatch.setattr(gateway, "_link", asyncio.Event().wait)
    router.more = {"GetConnectionTypeInfo": lambda _: {"NewConnectionType": "IP_Routed"}}
    async with asyncio.timeout(60):
        assert (await gateway.connection()).kind == "IP_Routed"
