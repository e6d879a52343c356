"""What a gateway tells without a query for each mapping."""

from __future__ import annotations

import ipaddress

import pytest

from portmapper.api import GatewayEvent
from portmapper.testing.calls import until
from portmapper_upnp import igd_watch
from portmapper_upnp.endpoint import Endpoint
from portmapper_upnp.igd_watch import ADDRESS, IgdWatch

LOOPBACK = ipaddress.ip_address("127.0.0.1")


async def test_the_address_is_queried_again_soon_after_the_first_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """miniupnpd loses a change of the address while it sends the first event of a subscription."""
    monkeypatch.setattr(igd_watch, "SETTLED", 0.001)
    heard: list[GatewayEvent] = []
    watch = IgdWatch(Endpoint("http://127.0.0.1/", LOOPBACK, LOOPBACK))
    watch.listen(heard.append)
    watch._events._take({ADDRESS: "203.0.113.7"})
    await until(lambda: heard == [GatewayEvent.EXTERNAL_ADDRESS_CHANGED], "it never happened")
    assert not watch.address_is_current()
    assert watch.address_is_current()
    await watch.close()
