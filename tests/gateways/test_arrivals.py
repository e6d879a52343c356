"""Searches because of announcements."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable

from portmapper.api.arrivals import HearsArrivals
from portmapper.api.backend import Target
from portmapper.gateways.arrivals import GAP, Arrivals
from portmapper.gateways.brief import NothingKnown
from portmapper.gateways.discovery import Discovery
from portmapper.gateways.probe import Probe
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend
from portmapper.testing.fake_device import GATEWAY, FakeDevice

TARGET = Target(ipaddress.ip_address("192.168.88.10"), "eth0", GATEWAY)


class Hearing(FakeBackend, HearsArrivals):
    """Hears what the test announces."""

    announce: Callable[[], None]

    async def listen(self, target: Target, arrived: Callable[[], None]) -> None:
        """Keep the callback."""
        self.announce = arrived
        await asyncio.Event().wait()


async def test_an_announcement_in_an_unknown_protocol_starts_a_search(
    clock: FakeClock, device: FakeDevice
) -> None:
    """At most once a minute, because it can be forged; one in a known protocol starts none."""
    probe = Probe(TARGET, [FakeBackend("pcp", device), FakeBackend("upnp")], lambda _: None)
    searches: list[float] = []
    arrivals = Arrivals(probe.is_missing, clock, lambda: searches.append(clock.monotonic()))
    arrivals.arrived("upnp")
    assert not searches  # the first search is not done
    await probe.round()
    for backend in ("pcp", "upnp", "upnp"):
        arrivals.arrived(backend)
    assert len(searches) == 1
    await clock.advance(GAP)
    arrivals.arrived("upnp")
    assert len(searches) == 2
    await probe.close()


async def test_a_protocol_that_announces_itself_is_found(clock: FakeClock, device: FakeDevice) -> None:
    """Although the other protocol answers, so that no search is due."""
    upnp = Hearing("upnp")
    discovery = Discovery(
        [FakeBackend("pcp", device), upnp],
        NothingKnown(),
        clock=clock,
        longest_pause=600,
        on_search=lambda _: None,
        on_event=lambda _gateway, _event: None,
    )
    discovery.search(TARGET)
    await clock.advance(5)
    assert [gateway.backend for gateway in discovery.gateways] == ["pcp"]
    upnp.devices = (device,)
    await clock.advance(100)
    assert [gateway.backend for gateway in discovery.gateways] == ["pcp"]
    upnp.announce()
    await clock.advance(1)
    assert [gateway.backend for gateway in discovery.gateways] == ["pcp", "upnp"]
    await discovery.close()
