"""Random faults against a gateway in memory: whatever happened, in the end what is wanted is open."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from portmapper.api.errors import NetworkFailure, NoResources, NotAuthorized
from portmapper.api.model import ConflictPolicy, Mapping, Protocol
from portmapper.network.host import DefaultRoute
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeListingGateway
from portmapper.testing.fake_device import GATEWAY, FakeDevice, Hole, Port

VPN = ipaddress.ip_address("10.8.0.1")
STRANGER = ipaddress.ip_address("192.168.88.200")
REFUSALS = (
    NoResources("full"),
    NotAuthorized("no"),
    NotAuthorized("no", retry_after=300),
    NetworkFailure("down"),
)

rows = st.lists(
    st.tuples(
        st.sampled_from([80, 81, 82]), st.sampled_from([8080, 9090, 7070]), st.sampled_from([60, 3600, 0])
    ),
    max_size=3,
    unique_by=(lambda row: row[0], lambda row: row[1]),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("rows"), rows),
        st.tuples(st.just("restart"), st.booleans()),
        st.tuples(st.just("silent"), st.booleans()),
        st.tuples(st.just("loses_answers"), st.booleans()),
        st.tuples(st.just("permanent_only"), st.booleans()),
        st.tuples(st.just("refuse"), st.sampled_from([(80, error) for error in REFUSALS] + [(80, None)])),
        st.tuples(st.just("occupy"), st.sampled_from([80, 81])),
        st.tuples(st.just("crash"), st.integers(0, 300)),
        st.tuples(st.just("move"), st.tuples(st.integers(10, 13), st.booleans())),
        st.tuples(st.just("vpn"), st.booleans()),
        st.tuples(st.just("clock_set"), st.sampled_from([-86400, -90, 90, 86400])),
        st.tuples(st.just("suspend"), st.sampled_from([5, 70, 3000, 100_000])),
        st.tuples(st.just("wait"), st.sampled_from([0.05, 1, 30, 130, 2500])),
    ),
    max_size=14,
)


class Ordeal:
    """One run through a list of faults, and what must hold in it."""

    def __init__(self, harness_class: Any, clock: FakeClock, kind: str, policy: ConflictPolicy) -> None:
        self.clock = clock
        self.policy = policy
        self.device = FakeDevice(clock, names_holder=kind != "pcp", one_per_internal_port=kind == "pcp")
        backends = {
            "pcp": [FakeBackend("pcp", self.device)],
            "upnp": [FakeBackend("upnp", self.device, kind=FakeListingGateway)],
            "both": [
                FakeBackend("pcp", self.device),
                FakeBackend("upnp", self.device, kind=FakeListingGateway),
            ],
        }[kind]
        self.harness = harness_class(clock, backends)
        self.desired: tuple[Mapping, ...] = ()
        self.ever: set[tuple[int, int]] = set()
        self.address = ipaddress.ip_address("192.168.88.10")

    async def run(self, faults: list[tuple[str, Any]]) -> None:
        """Live through the faults, then through two hours of peace."""
        await self.harness.start()
        for name, value in faults:
            await getattr(self, name)(value)
            await self.clock.advance(0.01)
            self.check()
        await self.peace()
        self.check_end()
        await self.harness.crash()
        self.harness.store.close()

    async def rows(self, value: list[tuple[int, int, int]]) -> None:
        """Edit the list."""
        self.desired = tuple(
            Mapping(Protocol.TCP, port, internal, duration=duration, conflict=self.policy)
            for port, internal, duration in value
        )
        self.ever |= {(mapping.port, mapping.internal_port) for mapping in self.desired}
        self.harness.scheduler.set_desired(self.desired)

    async def restart(self, announced: bool) -> None:
        """Lose the gateway's table."""
        self.device.restart(announced)

    async def silent(self, value: bool) -> None:
        """Take the gateway off the net, or put it back."""
        self.device.silent = value

    async def loses_answers(self, value: bool) -> None:
        """Lose what it says."""
        self.device.loses_answers = value

    async def permanent_only(self, value: bool) -> None:
        """Change the firmware."""
        self.device.permanent_only = value

    async def refuse(self, value: tuple[int, Any]) -> None:
        """Have a rule against a port, or none."""
        port, error = value
        self.device.refusals = {port: error} if error else {}

    async def occupy(self, port: int) -> None:
        """Have another host take a port that is free."""
        if self.device.hole((Protocol.TCP, port)) is None:
            self.device.occupy(Protocol.TCP, port, STRANGER)

    async def crash(self, pause: int) -> None:
        """Kill the program, and start it again later."""
        await self.harness.crash()
        await self.clock.advance(pause)
        await self.harness.start(*self.desired)

    async def move(self, value: tuple[int, bool]) -> None:
        """Get another address, and notice it at once or at the next look."""
        host, noticed = value
        interface = self.harness.network.interfaces[0]
        changed = attrs.evolve(interface, addresses=(ipaddress.ip_interface(f"192.168.88.{host}/24"),))
        self.harness.network = attrs.evolve(self.harness.network, interfaces=(changed,))
        self.address = ipaddress.ip_address(f"192.168.88.{host}")
        if noticed:
            await self.harness.scheduler.network_changed()

    async def vpn(self, up: bool) -> None:
        """Have a VPN take the default route away, or give it back; nobody behind it maps ports."""
        default = DefaultRoute("eth0", GATEWAY) if not up else DefaultRoute("tun0", VPN)
        self.harness.network = attrs.evolve(self.harness.network, routes=(default,))
        await self.harness.scheduler.network_changed()

    async def clock_set(self, seconds: int) -> None:
        """Set the wall clock forward or back."""
        self.clock.set_wall(seconds)

    async def suspend(self, seconds: int) -> None:
        """Sleep; the gateway goes on, and every timer fires at once afterwards."""
        await self.clock.sleep(seconds)

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        await self.clock.advance(seconds)

    async def peace(self) -> None:
        """End every fault, and let two hours pass."""
        device = self.device
        device.silent = device.loses_answers = device.permanent_only = False
        device.refusals = {}
        for port, hole in tuple(device.table.items()):
            if hole.internal_address == STRANGER:
                del device.table[port]
        await self.clock.advance(7200)

    def check(self) -> None:
        """Nobody else's entry is deleted, none of ours that is wanted, and none is open that never was."""
        standing = {(mapping.port, mapping.internal_port) for mapping in self.desired}
        deleted, self.device.deleted = self.device.deleted, []
        for (_, port), hole in deleted:
            assert hole.internal_address != STRANGER
            unchanged = hole.internal_address == self.address and (port, hole.internal_port) in standing
            assert not unchanged, f"{port} was closed though it is wanted"
        assert {(port, hole.internal_port) for port, hole in self.ours().items()} <= self.ever

    def check_end(self) -> None:
        """Exactly what is wanted is open, for the address that we have, and known to the store."""
        assert {(port, hole.internal_port, hole.internal_address) for port, hole in self.ours().items()} == {
            (mapping.port, mapping.internal_port, self.address) for mapping in self.desired
        }
        leases = list(self.harness.store.leases)
        assert {stored.lease.external_port for stored in leases} == {mapping.port for mapping in self.desired}
        # What another protocol may hold for ever is kept in mind, though the same hole is wanted.
        assert sum(not stored.lease.permanent for stored in leases) <= len(self.desired)

    def ours(self) -> dict[int, Hole]:
        """Return what is open and no stranger's."""
        table: dict[Port, Hole] = self.device.table
        self.device.open_ports()
        return {port: hole for (_, port), hole in table.items() if hole.internal_address != STRANGER}


@given(
    faults=steps,
    kind=st.sampled_from(["pcp", "upnp", "both"]),
    policy=st.sampled_from([ConflictPolicy.OWN, ConflictPolicy.FAIL]),
)
@settings(max_examples=60)
def test_what_is_wanted_is_open_in_the_end(
    harness_class: Any, faults: list[tuple[str, Any]], kind: str, policy: ConflictPolicy
) -> None:
    """After restarts, silence, refusals, crashes, other addresses, a VPN, suspends, a clock that is set, and
    edits; nothing is closed too early."""

    async def live() -> None:
        clock = FakeClock()
        with clock.driving(asyncio.get_running_loop()):
            await Ordeal(harness_class, clock, kind, policy).run(faults)

    asyncio.run(live())
