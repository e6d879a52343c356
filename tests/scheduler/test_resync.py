"""What the periodic resync notices, and how much it sends."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from portmapper.api.backend import ChecksTable, GatewayEvent
from portmapper.api.errors import GatewayTimeout, NotAuthorized
from portmapper.api.events import EventKind
from portmapper.api.model import Lease, Mapping, Protocol
from portmapper.scheduler.options import Options
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeListingGateway
from portmapper.testing.fake_device import FakeDevice
from portmapper_quirks.miniupnpd_nft import MiniupnpdNft

WEB = (Protocol.TCP, 80)
Desired = Callable[..., Mapping]
NewHarness = Callable[..., Any]


async def test_an_unannounced_external_address_is_noticed(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Within one interval."""
    await harness.start(desired())
    device.external = ipaddress.ip_address("203.0.113.99")
    await clock.advance(60)
    assert EventKind.EXTERNAL_ADDRESS_CHANGED in harness.kinds()


async def test_a_permanent_lease_is_verified_and_not_renewed(
    upnp: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """M1: it never expires; a lost one is reopened at the next resync."""
    device.permanent_only = True
    await upnp.start(desired())
    await clock.advance(86400)
    assert len(device.requested()) == 1
    device.table.clear()
    await clock.advance(61)
    assert device.open_ports() == {WEB}
    assert upnp.kinds() == [EventKind.OPENED, EventKind.LOST, EventKind.OPENED]


async def test_a_permanent_lease_is_requested_from_a_gateway_that_loses_finite_ones(
    upnp: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """M15: after the second loss."""
    device.forgets = lambda lease: not lease.permanent
    await upnp.start(desired())
    await clock.advance(200)
    assert device.requested()[-1].lifetime == 0
    assert device.open_ports() == {WEB}


async def test_one_renewal_per_interval_reveals_a_lost_table(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """If the protocol cannot list the table, the epoch in the answer shows the loss."""
    await harness.start(desired(), desired(81))
    device.calls.clear()
    await clock.advance(60.5)
    await clock.advance(60)
    assert len(device.requested()) == 2


async def test_a_resync_renews_a_mapping_without_counterpart(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """On miniupnpd, the renewal of the older protocol closes the newer one for a round trip."""
    harness.quirks = (MiniupnpdNft(),)
    await harness.start(desired(), desired(protocol=Protocol.UDP), desired(81))
    device.calls.clear()
    await clock.advance(60.5)
    await clock.advance(60)
    assert [request.internal_port for request in device.requested()] == [81, 81]


async def test_a_short_interval_does_not_renew_too_often(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """RFC 6887 section 11.2.1: at least 4 s between two renewals of one mapping."""
    harness.options = Options(interval=1)
    await harness.start(desired())
    await clock.advance(40)
    assert len(device.requested()) <= 11


async def test_a_resync_does_not_shorten_the_pause_of_a_failed_renewal(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The renewal keeps its schedule; only the resync that starts it adds an attempt."""
    await harness.start(desired())
    device.refusals[80] = NotAuthorized("no")
    await clock.advance(1200)
    assert len(device.requested()) <= 4


async def test_an_invalid_external_address_is_ignored(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The external address stays unknown."""
    device.external = "203.0.113.7"  # type: ignore[assignment]
    await harness.start(desired())
    assert set(harness.scheduler.external.values()) == {None}


class Watching(FakeListingGateway, ChecksTable):
    """A gateway that knows whether its table changed.

    Attributes:
        changed: what it answers.
        asked: the number of questions.
        verified: the external port of each lease that was verified.
    """

    changed = False
    asked = 0
    verified: ClassVar[list[int]] = []

    async def table_may_have_changed(self) -> bool:
        """Return `changed`."""
        Watching.asked += 1
        return Watching.changed

    async def holds(self, lease: Lease) -> bool:
        """Count the query, and answer it."""
        Watching.verified.append(lease.external_port)
        return await super().holds(lease)


@pytest.fixture
def watching(new_harness: NewHarness, device: FakeDevice, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A scheduler at such a gateway."""
    monkeypatch.setattr(Watching, "changed", False)
    monkeypatch.setattr(Watching, "asked", 0)
    monkeypatch.setattr(Watching, "verified", [])
    return new_harness(FakeBackend("upnp", device, kind=Watching))


async def test_a_table_that_did_not_change_costs_one_query_an_interval(
    watching: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """And one lease in turn is verified now and then: the check may miss a change."""
    await watching.start(*(desired(8000 + port) for port in range(10)))
    await clock.advance(12 * 60 + 1)
    assert Watching.asked == 12
    assert 1 <= len(Watching.verified) <= 3


async def test_after_a_change_every_lease_is_verified(
    watching: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """A lost one is reported and opened again within the interval."""
    await watching.start(*(desired(8000 + port) for port in range(10)))
    del device.table[(Protocol.TCP, 8003)]
    Watching.changed = True
    await clock.advance(61)
    assert len(device.open_ports()) == 10
    assert EventKind.LOST in watching.kinds()


async def test_an_event_of_the_table_verifies_every_lease_at_once(
    watching: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Not only at the next interval."""
    await watching.start(desired(8000), desired(8001))
    del device.table[(Protocol.TCP, 8001)]
    device.announce(GatewayEvent.TABLE_CHANGED)
    await clock.advance(1)
    assert len(device.open_ports()) == 2
    assert sorted(set(Watching.verified)) == [8000, 8001]


async def test_a_loss_that_is_found_in_turn_has_every_other_lease_verified(
    watching: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """As after a restart that nothing announced, and that the check of the table missed."""
    await watching.start(*(desired(8000 + port) for port in range(10)))
    device.table.clear()
    await clock.advance(12 * 60 + 1)
    assert len(device.open_ports()) == 10


async def test_a_gateway_that_does_not_answer_the_check_is_searched_again(
    watching: Any, clock: FakeClock, device: FakeDevice, desired: Desired, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may speak another protocol since a crash that nothing announced."""

    async def silent(_: Watching) -> bool:
        raise GatewayTimeout("no answer")

    await watching.start(desired())
    monkeypatch.setattr(Watching, "table_may_have_changed", silent)
    searched: list[object] = []
    monkeypatch.setattr(watching.scheduler.discovery, "search_again", searched.append)
    await clock.advance(61)
    assert len(searched) == 1
