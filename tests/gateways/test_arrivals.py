"""Searches because of announcements."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable

import pytest

from portmapper.api.arrivals import HearsArrivals
from portmapper.api.backend import Backend, Target
from portmapper.api.errors import NetworkFailure
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
    arrivals = Arrivals(probe.is_missing, clock, lambda _: searches.append(clock.monotonic()))
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


def searching(clock: FakeClock, *backends: Backend) -> Discovery:
    """Return a discovery that searches with these backends, best first."""
    return Discovery(
        backends,
        NothingKnown(),
        clock=clock,
        longest_pause=600,
        on_search=lambda _: None,
        on_event=lambda _gateway, _event: None,
    )


async def test_a_protocol_that_announces_itself_is_found(clock: FakeClock, device: FakeDevice) -> None:
    """Although the other protocol answers, so that no search is due."""
    upnp = Hearing("upnp")
    discovery = searching(clock, FakeBackend("pcp", device), upnp)
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


async def test_an_announcement_during_a_search_does_not_wait_for_its_end(
    clock: FakeClock, device: FakeDevice
) -> None:
    """The gateway is starting: it refused PCP a moment ago, and the search still waits for UPnP."""
    pcp, upnp = Hearing("pcp"), FakeBackend("upnp")
    pcp.error, upnp.delay = NetworkFailure("nothing listens there"), 7.0
    discovery = searching(clock, pcp, upnp)
    probe = discovery.search(TARGET)
    await clock.advance(2)
    pcp.error, pcp.devices = None, (device,)
    pcp.announce()
    await clock.advance(0.1)
    assert [gateway.backend for gateway in discovery.gateways] == ["pcp"]
    assert (probe.settled, probe.done, probe.failures) == (True, False, {})
    assert (pcp.searches, upnp.searches) == (2, 1)
    await clock.advance(60)
    assert (pcp.searches, upnp.searches) == (2, 1)  # it was found, so nothing more is due
    await discovery.close()


@pytest.mark.parametrize("turns", range(1, 6))
async def test_an_announcement_after_the_end_of_a_target_is_ignored(clock: FakeClock, turns: int) -> None:
    """Its backend may hear one more packet before it stops."""
    pcp = Hearing("pcp")
    upnp = FakeBackend("upnp")
    upnp.endless = True
    discovery = searching(clock, pcp, upnp)
    discovery.search(TARGET)
    await clock.advance(2)
    ending = asyncio.create_task(discovery.forget(TARGET))
    for _ in range(turns):
        await asyncio.sleep(0)
    pcp.announce()
    await ending
    assert pcp.searches == 1
    await discovery.close()
