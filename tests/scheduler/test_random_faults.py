"""Random faults: whatever happens, the desired mappings are open in the end."""

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
from portmapper.testing.fake_device import GATEWAY, DeviceMapping, FakeDevice, Port

VPN = ipaddress.ip_address("10.8.0.1")
OTHER_HOST = ipaddress.ip_address("192.168.88.200")
REFUSALS = (
    NoResources("full"),
    NotAuthorized("no"),
    NotAuthorized("no", retry_after=300),
    NetworkFailure("down"),
)

ROWS = st.lists(
    st.tuples(
        st.sampled_from([80, 81, 82]), st.sampled_from([8080, 9090, 7070]), st.sampled_from([60, 3600, 0])
    ),
    max_size=3,
    unique_by=(lambda row: row[0], lambda row: row[1]),
)
FAULTS = st.lists(
    st.one_of(
        st.tuples(st.just("rows"), ROWS),
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


class FaultRun:
    """One run through a list of faults, with the invariants that it checks."""

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
        """Go through the faults, then through two hours without any."""
        await self.harness.start()
        for name, value in faults:
            await getattr(self, name)(value)
            await self.clock.advance(0.01)
            self.check()
        await self.end_faults()
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
        """Disconnect the gateway, or connect it again."""
        self.device.silent = value

    async def loses_answers(self, value: bool) -> None:
        """Lose the gateway's answers, or deliver them again."""
        self.device.loses_answers = value

    async def permanent_only(self, value: bool) -> None:
        """Change the firmware, so that the gateway grants only permanent leases or any."""
        self.device.permanent_only = value

    async def refuse(self, value: tuple[int, Any]) -> None:
        """Set the gateway's answer for a port, or remove it."""
        port, error = value
        self.device.refusals = {port: error} if error else {}

    async def occupy(self, port: int) -> None:
        """Let another host take a port if it is free."""
        if self.device.mapping_at((Protocol.TCP, port)) is None:
            self.device.occupy(Protocol.TCP, port, OTHER_HOST)

    async def crash(self, pause: int) -> None:
        """Kill the program and start it again later."""
        await self.harness.crash()
        await self.clock.advance(pause)
        await self.harness.start(*self.desired)

    async def move(self, value: tuple[int, bool]) -> None:
        """Change this host's address, noticed at once or at the next resync."""
        host, noticed = value
        interface = self.harness.network.interfaces[0]
        changed = attrs.evolve(interface, addresses=(ipaddress.ip_interface(f"192.168.88.{host}/24"),))
        self.harness.network = attrs.evolve(self.harness.network, interfaces=(changed,))
        self.address = ipaddress.ip_address(f"192.168.88.{host}")
        if noticed:
            await self.harness.scheduler.network_changed()

    async def vpn(self, up: bool) -> None:
        """Let a VPN without a gateway take the default route, or give it back."""
        default = DefaultRoute("eth0", GATEWAY) if not up else DefaultRoute("tun0", VPN)
        self.harness.network = attrs.evolve(self.harness.network, routes=(default,))
        await self.harness.scheduler.network_changed()

    async def clock_set(self, seconds: int) -> None:
        """Set the wall clock forward or back."""
        self.clock.set_wall(seconds)

    async def suspend(self, seconds: int) -> None:
        """Suspend the host; the gateway goes on, and every timer fires at once afterwards."""
        await self.clock.sleep(seconds)

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        await self.clock.advance(seconds)

    async def end_faults(self) -> None:
        """End every fault and let two hours pass."""
        device = self.device
        device.silent = device.loses_answers = device.permanent_only = False
        device.refusals = {}
        for port, hole in tuple(device.table.items()):
            if hole.internal_address == OTHER_HOST:
                del device.table[port]
        await self.clock.advance(7200)

    def check(self) -> None:
        """Check that no third-party or desired entry was deleted, and that only listed ports are open."""
        desired = {(mapping.port, mapping.internal_port) for mapping in self.desired}
        deleted, self.device.deleted = self.device.deleted, []
        for (_, port), hole in deleted:
            assert hole.internal_address != OTHER_HOST
            unchanged = hole.internal_address == self.address and (port, hole.internal_port) in desired
            assert not unchanged, f"{port} was closed although it is desired"
        assert {(port, hole.internal_port) for port, hole in self.ours().items()} <= self.ever

    def check_end(self) -> None:
        """Check that exactly the desired mappings are open, for the current address, and stored."""
        assert {(port, hole.internal_port, hole.internal_address) for port, hole in self.ours().items()} == {
            (mapping.port, mapping.internal_port, self.address) for mapping in self.desired
        }
        leases = list(self.harness.store.leases)
        assert {stored.lease.external_port for stored in leases} == {mapping.port for mapping in self.desired}
        # A permanent lease of another backend stays stored, although the same port is desired.
        assert sum(not stored.lease.permanent for stored in leases) <= len(self.desired)

    def ours(self) -> dict[int, DeviceMapping]:
        """Return the open ports that do not belong to the other host."""
        table: dict[Port, DeviceMapping] = self.device.table
        self.device.open_ports()
        return {port: hole for (_, port), hole in table.items() if hole.internal_address != OTHER_HOST}


@given(
    faults=FAULTS,
    kind=st.sampled_from(["pcp", "upnp", "both"]),
    policy=st.sampled_from([ConflictPolicy.OWN, ConflictPolicy.FAIL]),
)
@settings(max_examples=60)
def test_the_desired_mappings_are_open_in_the_end(
    harness_class: Any, faults: list[tuple[str, Any]], kind: str, policy: ConflictPolicy
) -> None:
    """After restarts, outages, refusals, crashes, new addresses, a VPN, suspends, clock changes and edits.

    Nothing is closed too early.
    """

    async def run() -> None:
        clock = FakeClock()
        with clock.driving(asyncio.get_running_loop()):
            await FaultRun(harness_class, clock, kind, policy).run(faults)

    asyncio.run(run())
