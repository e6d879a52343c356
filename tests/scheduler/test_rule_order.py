"""Both protocols of one port, on a gateway that stacks their filter rules as miniupnpd does."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
from collections.abc import AsyncIterator, Callable
from typing import Any

import attrs
import pytest

from portmapper.api.backend import Gateway, GatewayEvent, Target
from portmapper.api.model import Mapping, Protocol
from portmapper.network.host import DefaultRoute, Network
from portmapper.scheduler.inputs import AttemptNow
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend
from portmapper_quirks.miniupnpd_nft import MiniupnpdNft

Desired = Callable[..., Mapping]
NewBackends = Callable[[Any, str], list[FakeBackend]]

TCP, UDP = Protocol.TCP, Protocol.UDP
STACKS = [[TCP], [UDP], [TCP, UDP], [UDP, TCP], [TCP, TCP], [UDP, UDP]]
"""Rules that may be on a stack while both mappings are open, the top rule last."""

VPN = ipaddress.ip_address("10.8.0.1")


@pytest.fixture
def device(clock: FakeClock, stacking_device_class: type[Any]) -> Any:
    """A device that stacks filter rules."""
    return stacking_device_class(clock)


@pytest.fixture
def new_harness(new_harness: Callable[..., Any]) -> Callable[..., Any]:
    """Make harnesses that know the quirk."""
    return functools.partial(new_harness, quirks=(MiniupnpdNft(),))


@pytest.fixture
def harness(new_harness: Callable[..., Any], device: Any, stacking_backends: NewBackends) -> Any:
    """That device over PCP."""
    return new_harness(*stacking_backends(device, "pcp"))


async def test_a_renewal_closes_neither_protocol(harness: Any, device: Any, desired: Desired) -> None:
    """The newer mapping is renewed with the older one, and neither is released."""
    await harness.start(desired(), desired(protocol=UDP))
    await harness.clock.advance(7200)
    assert device.reachable_ports() == {(TCP, 80), (UDP, 80)}
    assert device.requested("unmap") == []


async def test_the_newer_is_renewed_before_the_older_is_answered(
    harness: Any, device: Any, desired: Desired
) -> None:
    """And once more in its own round; a gateway that does not answer gets no such renewals."""
    tcp = desired()
    await harness.start(tcp, desired(protocol=UDP))
    device.calls.clear()
    scheduler = harness.scheduler
    scheduler._writer.take(tcp.key, AttemptNow())
    await harness.clock.advance(0.1)
    assert [request.protocol for request in device.requested()] == [TCP, UDP, UDP]
    device.calls.clear()
    device.silent = True
    scheduler._writer.take(tcp.key, AttemptNow())
    await harness.clock.advance(0.1)
    scheduler._writer.take(tcp.key, AttemptNow())
    await harness.clock.advance(0.1)
    assert [request.protocol for request in device.requested()] == [TCP, UDP, TCP]


async def test_the_newer_is_renewed_until_the_older_is_answered(
    harness: Any, device: Any, desired: Desired
) -> None:
    """If an answer is lost, the older one's request is sent again and closes the newer one once more."""
    tcp = desired()
    await harness.start(tcp, desired(protocol=UDP))
    device.answer_delays[TCP] = 0.4
    scheduler = harness.scheduler
    scheduler._writer.take(tcp.key, AttemptNow())
    await harness.clock.advance(0.25)
    device.stacks[80] = [TCP, TCP]
    await harness.clock.advance(0.1)
    assert device.reachable_ports() == {(TCP, 80), (UDP, 80)}
    await harness.clock.advance(0.3)
    device.calls.clear()
    await harness.clock.advance(1)
    assert device.requested() == []


@pytest.mark.parametrize("first", [TCP, UDP])
async def test_both_are_open_after_a_restart_in_either_order(
    harness: Any, device: Any, desired: Desired, first: Protocol
) -> None:
    """A request during the restart is granted before the restart is noticed."""
    ours = {protocol: desired(protocol=protocol) for protocol in (TCP, UDP)}
    await harness.start(*ours.values())
    device.restart(announced=False)
    scheduler = harness.scheduler
    scheduler._writer.take(ours[first].key, AttemptNow())
    await harness.clock.advance(2)
    assert device.reachable_ports() == {(TCP, 80), (UDP, 80)}
    await harness.clock.advance(7200)
    assert device.reachable_ports() == {(TCP, 80), (UDP, 80)}


async def test_a_crash_between_the_two_renewals_is_repaired(
    harness: Any, device: Any, desired: Desired
) -> None:
    """The store shows that the older one was renewed and the newer one was not."""
    tcp, udp = desired(), desired(protocol=UDP)
    await harness.start(tcp, udp)
    while len(device.calls) == 2:
        await harness.clock.advance(60)
        device.silent = len(device.calls) == 3
    await harness.crash()
    device.silent = False
    await harness.start(tcp, udp)
    assert device.reachable_ports() == {(TCP, 80), (UDP, 80)}
    await harness.clock.advance(7200)
    assert device.reachable_ports() == {(TCP, 80), (UDP, 80)}


@pytest.mark.parametrize("stack", STACKS)
async def test_a_start_restores_the_order_after_a_crash(
    harness: Any, device: Any, desired: Desired, stack: list[Protocol]
) -> None:
    """A run may end between two renewals, or between a release and the reopening after it."""
    ours = desired(), desired(protocol=UDP)
    await harness.start(*ours)
    await harness.crash()
    device.stacks[80] = [*stack]
    await harness.start(*ours)
    await harness.clock.advance(1)
    assert device.reachable_ports() == {(TCP, 80), (UDP, 80)}
    await harness.clock.advance(4000)
    assert device.reachable_ports() == {(TCP, 80), (UDP, 80)}


@pytest.mark.parametrize("muted", [{"pcp"}, {"pcp", "natpmp"}])
@pytest.mark.parametrize("stack", STACKS)
async def test_a_start_over_another_backend_restores_the_order(
    new_harness: Callable[..., Any],
    stacking_backends: NewBackends,
    device: Any,
    desired: Desired,
    stack: list[Protocol],
    muted: set[str],
) -> None:
    """The order of PCP's requests does not show the order in which NAT-PMP or UPnP opened the ports."""
    harness = new_harness(*stacking_backends(device, "all"))
    ours = desired(), desired(protocol=UDP)
    device.muted = muted
    await harness.start(*ours)
    await harness.crash()
    device.muted = set()
    device.stacks[80] = [*stack]
    await harness.start(*ours)
    await harness.clock.advance(1)
    assert {harness.lease(mapping).backend for mapping in ours} == {"pcp"}
    assert device.reachable_ports() == {(TCP, 80), (UDP, 80)}
    await harness.clock.advance(4000)
    assert device.reachable_ports() == {(TCP, 80), (UDP, 80)}


async def test_a_silent_backend_is_tried_for_one_protocol_only(
    new_harness: Callable[..., Any], stacking_backends: NewBackends, device: Any, desired: Desired
) -> None:
    """Both protocols move to another backend within one timeout, not one after the other."""
    harness = new_harness(*stacking_backends(device, "both"))
    ours = desired(), desired(protocol=UDP)
    await harness.start(*ours)
    device.muted = {"pcp"}
    device.restart()
    await harness.clock.advance(1)
    assert device.unanswered == 1
    assert [harness.lease(mapping).backend for mapping in ours] == ["upnp", "upnp"]
    assert device.reachable_ports() == {(TCP, 80), (UDP, 80)}


class SlowOnVpn(FakeBackend):
    """A backend whose search of the VPN takes long and finds nothing."""

    async def discover(self, target: Target) -> AsyncIterator[Gateway]:
        """Yield the device, unless the target is the VPN."""
        if target.gateway == VPN:
            await asyncio.sleep(3)
            return
        async for gateway in super().discover(target):
            yield gateway


async def test_a_vpn_that_ends_during_its_search_closes_neither_protocol(
    new_harness: Callable[..., Any],
    stacking_backends: NewBackends,
    device: Any,
    desired: Desired,
    on_network: Callable[..., Network],
) -> None:
    """The second protocol's round does not wait for that search when its turn comes."""
    home = on_network("192.168.88.10/24", "10.8.0.2/24")
    (pcp,) = stacking_backends(device, "pcp")
    harness = new_harness(SlowOnVpn("pcp", device, kind=pcp.kind), network=home)
    await harness.start(desired(), desired(protocol=UDP))
    for routes in [(DefaultRoute("eth1", VPN), *home.routes), home.routes]:
        harness.network = attrs.evolve(home, routes=routes)
        await harness.scheduler.network_changed()
        await harness.clock.advance(0.1)
        assert device.reachable_ports() == {(TCP, 80), (UDP, 80)}


async def test_a_restart_that_another_backend_reports_late_renews_nothing_twice(
    new_harness: Callable[..., Any], stacking_backends: NewBackends, device: Any, desired: Desired
) -> None:
    """Everything was renewed after the first report; a second one of the same backend is a new restart."""
    pcp, upnp = stacking_backends(device, "both")
    harness = new_harness(pcp, upnp)
    await harness.start(desired(), desired(protocol=UDP))
    requested = []
    for gateway in (pcp.found[0], upnp.found[0], pcp.found[0]):
        device.calls.clear()
        harness.scheduler._heard(gateway, GatewayEvent.RESTARTED)
        await harness.clock.advance(2)
        requested.append(bool(device.requested()))
    assert requested == [True, False, True]
    assert device.reachable_ports() == {(TCP, 80), (UDP, 80)}


@pytest.mark.parametrize("kind", ["pcp", "upnp", "both"])
@pytest.mark.parametrize("released", [TCP, UDP])
async def test_a_late_release_closes_neither_protocol(
    new_harness: Callable[..., Any],
    stacking_backends: NewBackends,
    device: Any,
    desired: Desired,
    kind: str,
    released: Protocol,
) -> None:
    """A lease of an earlier round is released after the port was reopened, so one filter rule is missing."""
    harness = new_harness(*stacking_backends(device, kind))
    ours = {protocol: desired(protocol=protocol) for protocol in (TCP, UDP)}
    await harness.start(*ours.values())
    device.stacks[80].pop()
    harness.scheduler._released(harness.store.get(harness.lease(ours[released]).token), "")
    await harness.clock.advance(1)
    assert device.reachable_ports() == {(TCP, 80), (UDP, 80)}
    await harness.clock.advance(7200)
    assert device.reachable_ports() == {(TCP, 80), (UDP, 80)}


@pytest.mark.parametrize("kind", ["pcp", "upnp", "both"])
@pytest.mark.parametrize("released", [TCP, UDP])
@pytest.mark.parametrize("relisted", [True, False], ids=["relisted", "unlisted"])
async def test_a_crash_after_a_release_leaves_no_protocol_closed(
    new_harness: Callable[..., Any],
    stacking_backends: NewBackends,
    device: Any,
    desired: Desired,
    kind: str,
    released: Protocol,
    relisted: bool,
) -> None:
    """The release may have closed the other protocol too, and a renewal over UPnP would not open it."""
    harness = new_harness(*stacking_backends(device, kind))
    ours = {protocol: desired(protocol=protocol) for protocol in (TCP, UDP)}
    await harness.start(*ours.values())
    kept = [mapping for protocol, mapping in ours.items() if protocol is not released]
    harness.scheduler.set_desired(kept)
    while not device.deleted:
        await harness.clock.advance(0.0001)
    device.silent = True
    await harness.crash()
    device.silent = False
    listed = [*ours.values()] if relisted else kept
    await harness.start(*listed)
    await harness.clock.advance(1)
    assert device.reachable_ports() == {(mapping.protocol, 80) for mapping in listed}
