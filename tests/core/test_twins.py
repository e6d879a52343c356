"""The two protocols of one port, as a gateway that confuses them needs them to be asked."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from portmapper.backend import Gateway, GatewayEvent
from portmapper.errors import GatewayTimeout, NetworkFailure
from portmapper.model import IPAddress, Lease, Mapping, MapRequest, Protocol
from portmapper.testing.clock import FakeClock
from portmapper.testing.devices import FakeDevice, Hole, Port
from portmapper.testing.gateways import FakeBackend, FakeListingGateway

Wanted = Callable[..., Mapping]

ROWS = [
    Mapping(Protocol.TCP, 80, 80),
    Mapping(Protocol.UDP, 80, 80),
    Mapping(Protocol.UDP, 8080, 80),
    Mapping(Protocol.TCP, 81, 81),
]
LIFETIME = 3600


async def test_the_release_of_one_protocol_has_the_other_opened_anew(
    world: Any, device: FakeDevice, wanted: Wanted
) -> None:
    """Once: its next renewal is an ordinary one."""
    tcp, udp = wanted(), wanted(protocol=Protocol.UDP)
    await world.start(tcp, udp)
    world.scheduler.set_wanted([udp])
    await world.scheduler.settled()
    await world.clock.advance(0)
    assert _asked_anew(device) == [(Protocol.TCP, False), (Protocol.UDP, False), (Protocol.UDP, True)]
    await world.clock.advance(2300)
    assert _asked_anew(device)[3:][-1] == (Protocol.UDP, False)


async def test_a_release_after_a_crash_has_the_other_protocol_opened_anew(
    world: Any, device: FakeDevice, wanted: Wanted
) -> None:
    """Whether it is adopted before the release or after it."""
    tcp, udp = wanted(), wanted(protocol=Protocol.UDP)
    await world.start(tcp, udp)
    await world.crash()
    device.calls.clear()
    await world.start(udp)
    await world.clock.advance(0)
    assert device.open_ports() == {(Protocol.UDP, 80)}
    released = [verb for _, verb, _ in device.calls].index("unmap")
    after = [subject for _, verb, subject in device.calls[released:] if verb == "map"]
    assert any(isinstance(request, MapRequest) and request.anew for request in after)


async def test_while_nothing_is_in_doubt_nothing_is_closed(
    world: Any, device: FakeDevice, wanted: Wanted
) -> None:
    """Renewals and a new start release neither protocol, and keep their order."""
    await world.start(wanted(), wanted(protocol=Protocol.UDP))
    await world.clock.advance(20_000)
    await world.crash()
    await world.start(wanted(), wanted(protocol=Protocol.UDP))
    assert device.asked("unmap") == []
    asked = _asked_anew(device)
    assert asked == [(Protocol.TCP, False), (Protocol.UDP, False)] * (len(asked) // 2)


async def test_after_a_restart_one_protocol_is_released_before_the_other_is_opened(
    world: Any, device: FakeDevice, wanted: Wanted
) -> None:
    """A request that was under way may have come first into the new table."""
    await world.start(wanted(), wanted(protocol=Protocol.UDP), wanted(81))
    device.calls.clear()
    device.restart()
    await world.clock.advance(2)
    assert [(verb, subject.protocol) for _, verb, subject in device.calls if subject.internal_port == 80] == [
        ("unmap", Protocol.UDP),
        ("map", Protocol.TCP),
        ("map", Protocol.UDP),
    ]


@attrs.define(eq=False)
class Confusing(FakeDevice):
    """miniupnpd 2.3.1 on nftables: each internal port has a stack of filter rules, whatever their protocol.

    Attributes:
        latency: seconds to it, and as long back.
        unreachable: the protocols that nobody answers.
        seen: for each gateway object, the restarts before its last answer.
        restarts: how often it lost its table.
        anew: the tokens of what was last asked anew.
    """

    latency: float = 0.0
    unreachable: frozenset[str] = frozenset()
    stacks: defaultdict[tuple[IPAddress, int], list[Protocol]] = attrs.field(
        factory=lambda: defaultdict(list)
    )
    seen: dict[int, int] = attrs.field(factory=dict)
    restarts: int = 0
    anew: set[bytes] = attrs.field(factory=set)

    def restart(self, announced: bool = True) -> None:
        """Lose the rules as well."""
        self.restarts += 1
        self.stacks.clear()
        super().restart(announced)

    def let_through(self) -> set[tuple[Protocol, int, int]]:
        """Return what is open, and has a filter rule too."""
        return {
            (protocol, port, hole.internal_port)
            for (protocol, port), hole in self.table.items()
            if protocol in self.stacks[hole.internal_address, hole.internal_port]
        }

    def expire(self) -> None:
        """End what has run out, each with the filter rule that is found for it."""
        for port, hole in tuple(self.table.items()):
            if hole.expires_at is not None and hole.expires_at <= self.clock.monotonic():
                del self.table[port]
                self.stacks[hole.internal_address, hole.internal_port].pop()

    def hole(self, port: Port) -> Hole | None:
        """Return what is open at this port now."""
        self.expire()
        return self.table.get(port)

    async def map(self, gateway: Gateway, request: MapRequest) -> Lease:
        """Push, or replace the top; UPnP leaves what is there, unless it is opened anew."""
        await self._travel(gateway)
        (self.anew.add if request.anew else self.anew.discard)(request.token)
        lease = await super().map(gateway, request)
        return await self._answer(gateway, lease)

    def _hold(self, lease: Lease, comment: str) -> None:
        stack = self.stacks[lease.internal_address, lease.internal_port]
        known = (lease.protocol, lease.external_port) in self.table
        if known and (lease.backend != "upnp" or lease.token in self.anew):
            stack.pop()
            known = False
        if not known:
            stack.append(lease.protocol)
        super()._hold(lease, comment)

    async def unmap(self, gateway: Gateway, lease: Lease) -> None:
        """Take the top away."""
        await self._travel(gateway)
        self.calls.append((gateway.backend, "unmap", lease))
        await self.answer()
        if self.holds(lease):
            del self.table[lease.protocol, lease.external_port]
            self.stacks[lease.internal_address, lease.internal_port].pop()
        await self._answer(gateway, lease)

    async def _travel(self, gateway: Gateway) -> None:
        await asyncio.sleep(self.latency)
        if gateway.backend in self.unreachable:
            raise NetworkFailure("nothing listens there")

    async def _answer(self, gateway: Gateway, lease: Lease) -> Lease:
        """Show the epoch, as PCP does."""
        restarts = self.restarts
        await asyncio.sleep(self.latency)
        if self.loses_answers:
            raise GatewayTimeout("the answer was lost")
        if gateway.backend == "pcp" and self.seen.setdefault(id(gateway), restarts) != restarts:
            self.seen[id(gateway)] = restarts
            self.tell(GatewayEvent.RESTARTED)
        return lease


FAULTS = st.lists(
    st.one_of(
        st.tuples(st.just("rows"), st.sets(st.sampled_from(range(len(ROWS))), max_size=4)),
        st.tuples(st.just("restart"), st.booleans()),
        st.tuples(st.just("gone"), st.none()),
        st.tuples(st.just("silent"), st.booleans()),
        st.tuples(st.just("loses_answers"), st.booleans()),
        st.tuples(st.just("unreachable"), st.sampled_from([[], ["pcp"], ["upnp"]])),
        st.tuples(st.just("crash"), st.sampled_from([0, 1, 300])),
        st.tuples(st.just("network"), st.booleans()),
        st.tuples(st.just("wait"), st.sampled_from([0.005, 0.01, 0.015, 0.02, 0.03, 0.5, 5, 70, 2000])),
    ),
    max_size=14,
)


@attrs.define
class Ordeal:
    """Two protocols of one port at such a gateway, and what happens to them."""

    world: Any
    device: Confusing
    rows_now: list[Mapping] = attrs.field(factory=lambda: ROWS[:2])

    async def run(self, faults: list[tuple[str, Any]]) -> None:
        """Live through the faults, then through peace."""
        await self.world.start(*self.rows_now)
        for name, value in faults:
            await getattr(self, name)(value)
            await self.world.clock.advance(0.002)
        self.device.silent = self.device.loses_answers = False
        self.device.unreachable = frozenset()
        for _ in range(10):
            await self.world.clock.advance(LIFETIME / 5)
            self.device.expire()
        wanted = {(row.protocol, row.port, row.internal_port) for row in self.rows_now}
        assert self.device.let_through() == wanted

    async def rows(self, value: set[int]) -> None:
        """Edit the list."""
        self.rows_now = [ROWS[number] for number in sorted(value)]
        self.world.scheduler.set_wanted(self.rows_now)

    async def restart(self, announced: bool) -> None:
        """Lose the gateway's table."""
        self.device.restart(announced)

    async def gone(self, _: None) -> None:
        """Let the gateway say goodbye, and stay."""
        self.device.tell(GatewayEvent.GONE)

    async def silent(self, value: bool) -> None:
        """Take the gateway off the net, or put it back."""
        self.device.silent = value

    async def loses_answers(self, value: bool) -> None:
        """Lose what it says."""
        self.device.loses_answers = value

    async def unreachable(self, value: list[str]) -> None:
        """Switch a protocol off, or on again."""
        self.device.unreachable = frozenset(value)

    async def crash(self, pause: int) -> None:
        """Kill the program, and start it again later."""
        await self.world.crash()
        await self.world.clock.advance(pause)
        await self.world.start(*self.rows_now)

    async def network(self, vpn: bool) -> None:
        """Have another interface come or go; every mapping is placed anew."""
        first = self.world.network.interfaces[:1]
        more = attrs.evolve(first[0], name="vpn0", addresses=())
        self.world.network = attrs.evolve(self.world.network, interfaces=(*first, more) if vpn else first)
        await self.world.scheduler.network_changed()

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        await self.world.clock.advance(seconds)


@given(faults=FAULTS, backends=st.sampled_from(["pcp", "upnp", "pcp upnp"]))
@settings(max_examples=40, derandomize=True)
def test_both_protocols_are_open_in_the_end(
    world_class: Any, faults: list[tuple[str, Any]], backends: str
) -> None:
    """After restarts with requests under way, lost answers, crashes, edits and moves between protocols."""
    asyncio.run(_live(world_class, faults, backends))


async def _live(world_class: Any, faults: list[tuple[str, Any]], backends: str) -> None:
    clock = FakeClock()
    with clock.driving(asyncio.get_running_loop()):
        device = Confusing(clock, latency=0.01)
        found = list(_backends(device, backends))
        world = world_class(clock, found)
        await Ordeal(world, device).run(faults)
        await world.end()


def _backends(device: FakeDevice, names: str) -> Iterator[FakeBackend]:
    if "pcp" in names:
        yield FakeBackend("pcp", device)
    if "upnp" in names:
        yield FakeBackend("upnp", device, kind=FakeListingGateway)


def _asked_anew(device: FakeDevice) -> list[tuple[Protocol, bool]]:
    requests = [request for request in device.asked() if isinstance(request, MapRequest)]
    return [(request.protocol, request.anew) for request in requests]
