"""Gateways that are known, but not read while a better protocol of the same device opens the ports."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import pytest

from portmapper.api.backend import GatewayEvent, Target
from portmapper.api.errors import GatewayTimeout, NotAuthorized
from portmapper.api.late_reading import ReadsLate
from portmapper.api.model import IPAddress, Mapping, MapRequest, Protocol
from portmapper.api.quirks import Applies
from portmapper.observability.status import status_document
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeListingGateway
from portmapper.testing.fake_device import GATEWAY, FakeDevice
from portmapper_quirks.miniupnpd_nft import MiniupnpdNft

WEB = (Protocol.TCP, 80)
SERVER = "Linux/6.1 UPnP/1.1 MiniUPnPd/2.3.1"

Desired = Callable[..., Mapping]
NewHarness = Callable[..., Any]


class LateGateway(FakeListingGateway):
    """A gateway that its first use reads."""

    unread = True

    async def map(self, request: MapRequest) -> Any:
        """Read the gateway, then send the request."""
        self.read()
        return await super().map(request)

    async def external_address(self) -> IPAddress | None:
        """Read the gateway, then query it."""
        self.read()
        return await super().external_address()

    def read(self) -> None:
        """Tell what a description tells."""
        if self.unread:
            self.unread, self.model = False, "R1"
            if self._notify is not None:
                self._notify(GatewayEvent.IDENTIFIED)


class LateBackend(FakeBackend, ReadsLate):
    """Finds gateways that are read late."""

    told: Collection[IPAddress] = ()

    def others_answered(
        self, target: Target, answered: Collection[IPAddress], *, may_follow: bool, alone: bool
    ) -> None:
        """Keep it."""
        self.told = answered


class RefusingDevice(FakeDevice):
    """Refuses over PCP what it opens over UPnP."""

    async def map(self, gateway: Any, request: MapRequest) -> Any:
        """Refuse."""
        if gateway.backend == "pcp":
            raise NotAuthorized("not over PCP")
        return await super().map(gateway, request)


def late(device: FakeDevice, server: str = SERVER) -> list[FakeBackend]:
    """Return backends for a device that answers over PCP and UPnP."""
    upnp = LateBackend("upnp", device, kind=LateGateway)
    upnp.server = server
    return [FakeBackend("pcp", device), upnp]


async def test_nothing_reads_a_gateway_that_is_not_needed(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Neither the search nor the checks of each interval, for as long as PCP opens every port."""
    backends = late(device)
    harness = new_harness(*backends, quirks=(MiniupnpdNft(),))
    await harness.start(desired(), desired(81))
    await clock.advance(7200)
    (gateway,) = backends[1].found
    assert gateway.unread
    assert isinstance(backends[1], LateBackend)
    assert backends[1].told == {GATEWAY}


async def test_the_status_shows_what_is_known_of_it(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The software that its answer tells, and the external address that PCP reports."""
    harness = await new_harness(*late(device)).start(desired())
    pcp, upnp = status_document(harness.scheduler, (), clock.now(), clock)["gateways"]
    assert (upnp["backend"], upnp["model"], upnp["answers"]) == ("upnp", SERVER, True)
    assert upnp["external_address"] == pcp["external_address"] == str(device.external)


async def test_a_refused_mapping_is_opened_by_it_at_once(
    new_harness: NewHarness, clock: FakeClock, desired: Desired
) -> None:
    """The first request reads it, and then it is an ordinary gateway."""
    device = RefusingDevice(clock)
    backends = late(device)
    harness = await new_harness(*backends).start(desired())
    assert device.open_ports() == {WEB}
    (gateway,) = backends[1].found
    assert (gateway.unread, gateway.model) == (False, "R1")
    assert harness.scheduler.external[gateway.identity] == device.external


async def test_a_silent_protocol_is_replaced_by_it(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """PCP may be switched off while UPnP goes on."""
    pcp, upnp = late(device)
    harness = await new_harness(pcp, upnp).start(desired())

    async def silent(_: MapRequest) -> Any:
        raise GatewayTimeout("no answer")

    pcp.found[0].map = silent  # type: ignore[method-assign]
    pcp.devices = ()
    await clock.advance(3600)
    assert [record.lease.backend for record in harness.scheduler.records.values()] == ["upnp"]


@pytest.mark.parametrize(("server", "known"), [(SERVER, Applies.YES), ("Linux/2 R1/1", Applies.NO)])
async def test_the_software_in_its_answer_is_enough_for_a_quirk(
    new_harness: NewHarness, device: FakeDevice, desired: Desired, server: str, known: Applies
) -> None:
    """So the repair of the order does not wait for a description either."""
    backends = late(device, server)
    harness = await new_harness(*backends, quirks=(MiniupnpdNft(),)).start(desired())
    assert backends[1].found[0].unread
    assert harness.scheduler._coupling.applies(GATEWAY) is known


async def test_it_is_read_if_a_quirk_may_learn_more_from_it(
    new_harness: NewHarness, device: FakeDevice, desired: Desired
) -> None:
    """Its answer does not tell its software."""
    backends = late(device, "")
    harness = await new_harness(*backends, quirks=(MiniupnpdNft(),)).start(desired())
    assert not backends[1].found[0].unread
    assert harness.scheduler._coupling.applies(GATEWAY) is Applies.NO


async def test_only_better_protocols_leave_it_unread(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """If the user prefers UPnP, PCP changes nothing."""
    pcp, upnp = late(device)
    await new_harness(upnp, pcp).start(desired())
    assert isinstance(upnp, LateBackend)
    assert upnp.told == set()
