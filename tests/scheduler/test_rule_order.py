"""Both protocols of one port, at a gateway that keeps their filter rules in one pile as miniupnpd does."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portmapper.api.backend import Gateway, GatewayEvent, Target
from portmapper.api.errors import GatewayTimeout
from portmapper.api.model import Lease, Mapping, MapRequest, Protocol
from portmapper.network.host import DefaultRoute, Network
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeGateway, FakeListingGateway
from portmapper.testing.fake_device import FakeDevice, Port

Desired = Callable[..., Mapping]

TCP, UDP = Protocol.TCP, Protocol.UDP
LEFT = [[TCP], [UDP], [TCP, UDP], [UDP, TCP], [TCP, TCP], [UDP, UDP]]
"""What may lie on a pile while both are open."""

VPN = ipaddress.ip_address("10.8.0.1")


class PilingDevice(FakeDevice):
    """A device whose filter rules lie in a pile for each internal port, whatever their protocol.

    Attributes:
        piles: internal port to the protocols of its filter rules, the topmost last.
        mute: the protocols that it does not speak for now.
        unanswered: how often it was asked over one of those.
        unheard: it restarted, and only its next answer will show it.
        late: seconds until the answer for a protocol arrives.
    """

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.piles: defaultdict[int, list[Protocol]] = defaultdict(list)
        self.mute: set[str] = set()
        self.unanswered = 0
        self.unheard = False
        self.late: defaultdict[Protocol, float] = defaultdict(float)
        self._turn = asyncio.Lock()

    def restart(self, announced: bool = True) -> None:
        """Lose the table and the piles."""
        self.piles.clear()
        self.unheard = not announced
        super().restart(announced)

    def let_through(self) -> set[Port]:
        """Return the open ports whose filter rule stands."""
        return {(protocol, port) for protocol, port in self.open_ports() if protocol in self.piles[port]}

    async def answer(self) -> None:
        """Take a moment: who was first is told by the clock."""
        await asyncio.sleep(0.001)
        await super().answer()

    async def map(self, gateway: Gateway, request: MapRequest) -> Lease:
        """Grant, and pile: UPnP leaves the pile of what stands alone, the others replace the topmost rule."""
        lease = await self._map(gateway, request)
        await asyncio.sleep(self.late[request.protocol])
        return lease

    async def _map(self, gateway: Gateway, request: MapRequest) -> Lease:
        hole, pile = (request.protocol, request.external_port), self.piles[request.internal_port]
        async with self._turn:
            self._hear(gateway)
            stood = self.hole(hole) is not None
            try:
                return await super().map(gateway, request)
            finally:
                if self.hole(hole) is not None and not self.silent:
                    closes_first = gateway.backend != "upnp" or request.anew
                    if stood and closes_first:
                        _take_topmost(pile)
                    if not stood or closes_first:
                        pile.append(request.protocol)
                    self._show()

    async def unmap(self, gateway: Gateway, lease: Lease) -> None:
        """Close, and take the topmost rule away."""
        async with self._turn:
            self._hear(gateway)
            stood = self.holds(lease)
            await super().unmap(gateway, lease)
            if stood:
                _take_topmost(self.piles[lease.internal_port])
            self._show()

    def _hear(self, gateway: Gateway) -> None:
        if gateway.backend in self.mute:
            self.unanswered += 1
            raise GatewayTimeout("no answer")

    def _show(self) -> None:
        """Tell of a restart that nobody heard of, as an epoch that went back does."""
        if self.unheard:
            self.unheard = False
            self.tell(GatewayEvent.RESTARTED)


class PcpGateway(FakeGateway):
    """Knows a mapping by its internal port alone."""

    def __init__(self, *details: Any) -> None:
        super().__init__(*details)
        self.one_per_internal_port = True


def _take_topmost(pile: list[Protocol]) -> None:
    if pile:
        pile.pop()


def _backends(device: FakeDevice, kind: str) -> list[FakeBackend]:
    pcp = FakeBackend("pcp", device, kind=PcpGateway)
    natpmp = FakeBackend("natpmp", device, kind=PcpGateway)
    upnp = FakeBackend("upnp", device, kind=FakeListingGateway)
    return {"pcp": [pcp], "upnp": [upnp], "both": [pcp, upnp], "all": [pcp, natpmp, upnp]}[kind]


@pytest.fixture
def device(clock: FakeClock) -> PilingDevice:
    """A device that piles."""
    return PilingDevice(clock)


@pytest.fixture
def harness(new_harness: Callable[..., Any], device: PilingDevice) -> Any:
    """That device over PCP."""
    return new_harness(*_backends(device, "pcp"))


async def test_a_renewal_closes_neither_protocol(
    harness: Any, device: PilingDevice, desired: Desired
) -> None:
    """The younger is renewed with the elder; neither is released for it."""
    await harness.start(desired(), desired(protocol=UDP))
    await harness.clock.advance(7200)
    assert device.let_through() == {(TCP, 80), (UDP, 80)}
    assert device.requested("unmap") == []


async def test_the_younger_is_renewed_before_the_elder_is_answered(
    harness: Any, device: PilingDevice, desired: Desired
) -> None:
    """And once more in its own turn; a gateway that is silent is not asked for it twice."""
    tcp = desired()
    await harness.start(tcp, desired(protocol=UDP))
    device.calls.clear()
    scheduler = harness.scheduler
    scheduler._plan(scheduler.entries[tcp.key])
    await harness.clock.advance(0.1)
    assert [request.protocol for request in device.requested()] == [TCP, UDP, UDP]
    device.calls.clear()
    device.silent = True
    scheduler._plan(scheduler.entries[tcp.key])
    await harness.clock.advance(0.1)
    scheduler._plan(scheduler.entries[tcp.key])
    await harness.clock.advance(0.1)
    assert [request.protocol for request in device.requested()] == [TCP, UDP, TCP]


async def test_the_younger_is_renewed_until_the_elder_is_answered(
    harness: Any, device: PilingDevice, desired: Desired
) -> None:
    """An answer that was lost has the elder's request sent again, which closes the younger once more."""
    tcp = desired()
    await harness.start(tcp, desired(protocol=UDP))
    device.late[TCP] = 0.4
    scheduler = harness.scheduler
    scheduler._plan(scheduler.entries[tcp.key])
    await harness.clock.advance(0.25)
    device.piles[80] = [TCP, TCP]
    await harness.clock.advance(0.1)
    assert device.let_through() == {(TCP, 80), (UDP, 80)}
    await harness.clock.advance(0.3)
    device.calls.clear()
    await harness.clock.advance(1)
    assert device.requested() == []


@pytest.mark.parametrize("first", [TCP, UDP])
async def test_whoever_is_granted_first_after_a_restart_both_are_open(
    harness: Any, device: PilingDevice, desired: Desired, first: Protocol
) -> None:
    """A request that was under way meanwhile is granted before anybody knows of the restart."""
    ours = {protocol: desired(protocol=protocol) for protocol in (TCP, UDP)}
    await harness.start(*ours.values())
    device.restart(announced=False)
    scheduler = harness.scheduler
    scheduler._plan(scheduler.entries[ours[first].key])
    await harness.clock.advance(2)
    assert device.let_through() == {(TCP, 80), (UDP, 80)}
    await harness.clock.advance(7200)
    assert device.let_through() == {(TCP, 80), (UDP, 80)}


async def test_a_crash_between_the_two_renewals_is_made_good(
    harness: Any, device: PilingDevice, desired: Desired
) -> None:
    """The store shows that the elder was renewed and the younger was not."""
    tcp, udp = desired(), desired(protocol=UDP)
    await harness.start(tcp, udp)
    while len(device.calls) == 2:
        await harness.clock.advance(60)
        device.silent = len(device.calls) == 3
    await harness.crash()
    device.silent = False
    await harness.start(tcp, udp)
    assert device.let_through() == {(TCP, 80), (UDP, 80)}
    await harness.clock.advance(7200)
    assert device.let_through() == {(TCP, 80), (UDP, 80)}


@pytest.mark.parametrize("left", LEFT)
async def test_a_start_finds_the_order_whatever_a_crash_left(
    harness: Any, device: PilingDevice, desired: Desired, left: list[Protocol]
) -> None:
    """A run may end between two renewals, or between a release and what follows from it."""
    ours = desired(), desired(protocol=UDP)
    await harness.start(*ours)
    await harness.crash()
    device.piles[80] = [*left]
    await harness.start(*ours)
    await harness.clock.advance(1)
    assert device.let_through() == {(TCP, 80), (UDP, 80)}
    await harness.clock.advance(7200)
    assert device.let_through() == {(TCP, 80), (UDP, 80)}


@pytest.mark.parametrize("muted", [{"pcp"}, {"pcp", "natpmp"}])
@pytest.mark.parametrize("left", LEFT)
async def test_a_start_over_another_protocol_finds_the_order(
    new_harness: Callable[..., Any],
    device: PilingDevice,
    desired: Desired,
    left: list[Protocol],
    muted: set[str],
) -> None:
    """What an earlier run opened over NAT-PMP or UPnP is in an order that PCP's requests do not tell."""
    harness = new_harness(*_backends(device, "all"))
    ours = desired(), desired(protocol=UDP)
    device.mute = muted
    await harness.start(*ours)
    await harness.crash()
    device.mute = set()
    device.piles[80] = [*left]
    await harness.start(*ours)
    await harness.clock.advance(1)
    assert {harness.lease(mapping).backend for mapping in ours} == {"pcp"}
    assert device.let_through() == {(TCP, 80), (UDP, 80)}
    await harness.clock.advance(7200)
    assert device.let_through() == {(TCP, 80), (UDP, 80)}


async def test_what_is_silent_for_the_one_is_not_asked_for_the_other(
    new_harness: Callable[..., Any], device: PilingDevice, desired: Desired
) -> None:
    """Both move to another protocol within one silence, and not one after the other."""
    harness = new_harness(*_backends(device, "both"))
    ours = desired(), desired(protocol=UDP)
    await harness.start(*ours)
    device.mute = {"pcp"}
    device.restart()
    await harness.clock.advance(1)
    assert device.unanswered == 1
    assert [harness.lease(mapping).backend for mapping in ours] == ["upnp", "upnp"]
    assert device.let_through() == {(TCP, 80), (UDP, 80)}


class SilentBehindVpn(FakeBackend):
    """A search that takes its time where nobody answers."""

    async def discover(self, target: Target) -> AsyncIterator[Gateway]:
        """Find the device, but not behind the VPN."""
        if target.gateway == VPN:
            await asyncio.sleep(3)
            return
        async for gateway in super().discover(target):
            yield gateway


async def test_a_vpn_that_goes_while_it_is_searched_closes_neither_protocol(
    new_harness: Callable[..., Any],
    device: PilingDevice,
    desired: Desired,
    on_network: Callable[..., Network],
) -> None:
    """Who waits for its turn does not wait for that search when it has come."""
    home = on_network("192.168.88.10/24", "10.8.0.2/24")
    harness = new_harness(SilentBehindVpn("pcp", device, kind=PcpGateway), network=home)
    await harness.start(desired(), desired(protocol=UDP))
    for routes in [(DefaultRoute("eth1", VPN), *home.routes), home.routes]:
        harness.network = attrs.evolve(home, routes=routes)
        await harness.scheduler.network_changed()
        await harness.clock.advance(0.1)
        assert device.let_through() == {(TCP, 80), (UDP, 80)}


async def test_a_restart_that_another_protocol_tells_of_late_renews_nothing_twice(
    new_harness: Callable[..., Any], device: PilingDevice, desired: Desired
) -> None:
    """It was renewed as the first protocol told; a second restart that this one tells of is another."""
    pcp, upnp = _backends(device, "both")
    harness = new_harness(pcp, upnp)
    await harness.start(desired(), desired(protocol=UDP))
    news = harness.scheduler._gateway_events
    requested = []
    for gateway in (pcp.found[0], upnp.found[0], pcp.found[0]):
        device.calls.clear()
        news.restarted_or_gone(gateway, GatewayEvent.RESTARTED)
        await harness.clock.advance(2)
        requested.append(bool(device.requested()))
    assert requested == [True, False, True]
    assert device.let_through() == {(TCP, 80), (UDP, 80)}


@pytest.mark.parametrize("kind", ["pcp", "upnp", "both"])
@pytest.mark.parametrize("released", [TCP, UDP])
async def test_a_release_while_both_are_wanted_closes_neither(
    new_harness: Callable[..., Any], device: PilingDevice, desired: Desired, kind: str, released: Protocol
) -> None:
    """What an earlier round abandoned is closed after it was opened again: only one filter rule is left."""
    harness = new_harness(*_backends(device, kind))
    ours = {protocol: desired(protocol=protocol) for protocol in (TCP, UDP)}
    await harness.start(*ours.values())
    device.piles[80].pop()
    harness.scheduler._pairs.reopen_after_release(harness.lease(ours[released]))
    await harness.clock.advance(1)
    assert device.let_through() == {(TCP, 80), (UDP, 80)}
    await harness.clock.advance(7200)
    assert device.let_through() == {(TCP, 80), (UDP, 80)}


steps = st.lists(
    st.one_of(
        st.tuples(st.just("rows"), st.sets(st.sampled_from([(TCP, 80), (UDP, 80), (TCP, 81)]))),
        st.tuples(st.just("restart"), st.booleans()),
        st.tuples(st.just("gone"), st.just(None)),
        st.tuples(st.just("silent"), st.booleans()),
        st.tuples(st.just("loses_answers"), st.booleans()),
        st.tuples(st.just("mute"), st.sampled_from([set[str](), {"pcp"}, {"upnp"}, {"pcp", "upnp"}])),
        st.tuples(st.just("crash"), st.sampled_from([0, 1, 100])),
        st.tuples(st.just("wait"), st.sampled_from([0.001, 0.05, 1, 30, 130, 2500])),
    ),
    max_size=14,
)


class Ordeal:
    """One run through a list of faults."""

    def __init__(self, harness_class: Any, clock: FakeClock, kind: str) -> None:
        self.clock = clock
        self.device = PilingDevice(clock)
        self.harness = harness_class(clock, _backends(self.device, kind))
        self.desired: list[Mapping] = [Mapping(protocol, 80, internal_port=80) for protocol in (TCP, UDP)]

    async def run(self, faults: list[tuple[str, Any]]) -> None:
        """Live through the faults, then through hours of peace."""
        await self.harness.start(*self.desired)
        for name, value in faults:
            await getattr(self, name)(value)
        self.device.silent = self.device.loses_answers = False
        self.device.mute = set()
        await self.clock.advance(3600)
        for _ in range(20):
            await self.clock.advance(307)
            assert self.device.let_through() == {(m.protocol, m.port) for m in self.desired}
        await self.harness.crash()
        self.harness.store.close()

    async def rows(self, ports: set[Port]) -> None:
        """Edit the list."""
        self.desired = [Mapping(protocol, port, internal_port=port) for protocol, port in sorted(ports)]
        self.harness.scheduler.set_desired(self.desired)

    async def restart(self, announced: bool) -> None:
        """Lose the gateway's table."""
        self.device.restart(announced)

    async def gone(self, _: None) -> None:
        """Say that the gateway ends, though it goes on."""
        self.device.tell(GatewayEvent.GONE)

    async def silent(self, value: bool) -> None:
        """Take the gateway off the net, or put it back."""
        self.device.silent = value

    async def loses_answers(self, value: bool) -> None:
        """Lose what it says."""
        self.device.loses_answers = value

    async def mute(self, protocols: set[str]) -> None:
        """Switch a protocol off."""
        self.device.mute = protocols

    async def crash(self, pause: int) -> None:
        """Kill the program, and start it again later."""
        await self.harness.crash()
        await self.clock.advance(pause)
        await self.harness.start(*self.desired)

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        await self.clock.advance(seconds)


@given(faults=steps, kind=st.sampled_from(["pcp", "upnp", "both", "all"]))
@settings(max_examples=60)
def test_both_protocols_of_a_port_are_open_in_the_end(
    harness_class: Any, faults: list[tuple[str, Any]], kind: str
) -> None:
    """After restarts, silence, lost answers, crashes, edits, and protocols that are switched off."""

    async def live() -> None:
        clock = FakeClock()
        with clock.driving(asyncio.get_running_loop()):
            await Ordeal(harness_class, clock, kind).run(faults)

    asyncio.run(live())
