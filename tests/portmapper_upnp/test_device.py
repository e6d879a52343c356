"""The base of a UPnP gateway: events after refused connections."""

from __future__ import annotations

import pytest

from portmapper.api.backend import GatewayEvent
from portmapper.api.errors import (
    NetworkFailure,
)
from portmapper_upnp.soap_fault import Refused


async def test_m14_three_refusals_report_that_it_is_gone(router, connected, monkeypatch, unused_port):
    """The third consecutive refused connection is an event, the first two are not."""
    gateway = await connected()
    events: list[GatewayEvent] = []
    gateway._notify = events.append
    for service in (gateway._connection._service,):
        info = service._service_info
        service._service_info = info._replace(control_url=f"http://127.0.0.1:{unused_port}/control")

    async def read_again():
        raise Refused("the gateway refuses the connection")

    monkeypatch.setattr(gateway, "_read_again", read_again)
    for expected in ([], [], [GatewayEvent.GONE]):
        with pytest.raises(NetworkFailure):
            await gateway.external_address()
        assert events == expected


async def test_m14_a_missing_control_url_reports_that_it_is_gone(router, connected, build):
    """HTTP 404 for the control URL means that the description moved."""
    gateway = await connected()
    events: list[GatewayEvent] = []
    gateway._notify = events.append
    router.replies["GetExternalIPAddress"] = build.http("", "404 Not Found")
    with pytest.raises(NetworkFailure):
        await gateway.external_address()
    assert events == [GatewayEvent.GONE]
