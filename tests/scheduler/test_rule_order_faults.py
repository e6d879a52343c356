"""Random faults while both protocols of one port are open on a gateway that stacks filter rules."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from portmapper.api.backend import GatewayEvent
from portmapper.api.model import Mapping, Protocol
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend
from portmapper.testing.fake_device import Port
from portmapper_quirks.miniupnpd_nft import MiniupnpdNft

TCP, UDP = Protocol.TCP, Protocol.UDP

FAULTS = st.lists(
    st.one_of(
        st.tuples(st.just("rows"), st.sets(st.sampled_from([(TCP, 80), (UDP, 80), (TCP, 81)]))),
        st.tuples(st.just("restart"), st.booleans()),
        st.tuples(st.just("gone"), st.just(None)),
        st.tuples(st.just("silent"), st.booleans()),
        st.tuples(st.just("loses_answers"), st.booleans()),
        st.tuples(st.just("muted"), st.sampled_from([set[str](), {"pcp"}, {"upnp"}, {"pcp", "upnp"}])),
        st.tuples(st.just("crash"), st.sampled_from([0, 1, 100])),
        st.tuples(st.just("wait"), st.sampled_from([0.001, 0.05, 1, 30, 130, 2500])),
    ),
    max_size=14,
)


class FaultRun:
    """One run through a list of faults."""

    def __init__(self, harness: Any, device: Any) -> None:
        self.clock: FakeClock = harness.clock
        self.device = device
        self.harness = harness
        self.desired: list[Mapping] = [Mapping(protocol, 80, internal_port=80) for protocol in (TCP, UDP)]

    async def run(self, faults: list[tuple[str, Any]]) -> None:
        """Go through the faults, then through hours without any."""
        await self.harness.start(*self.desired)
        for name, value in faults:
            await getattr(self, name)(value)
        self.device.silent = self.device.loses_answers = False
        self.device.muted = set()
        await self.clock.advance(3600)
        for _ in range(12):
            await self.clock.advance(307)
            assert self.device.reachable_ports() == {(m.protocol, m.port) for m in self.desired}
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
        """Announce that the gateway ends, although it goes on."""
        self.device.announce(GatewayEvent.GONE)

    async def silent(self, value: bool) -> None:
        """Disconnect the gateway, or connect it again."""
        self.device.silent = value

    async def loses_answers(self, value: bool) -> None:
        """Lose the gateway's answers, or deliver them again."""
        self.device.loses_answers = value

    async def muted(self, backends: set[str]) -> None:
        """Disable backends, and enable the others."""
        self.device.muted = backends

    async def crash(self, pause: int) -> None:
        """Kill the program and start it again later."""
        await self.harness.crash()
        await self.clock.advance(pause)
        await self.harness.start(*self.desired)

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        await self.clock.advance(seconds)


@given(faults=FAULTS, kind=st.sampled_from(["pcp", "upnp", "both", "all"]))
@settings(max_examples=30)
def test_both_protocols_of_a_port_are_open_in_the_end(
    harness_class: Any,
    stacking_device_class: type[Any],
    stacking_backends: Callable[[Any, str], list[FakeBackend]],
    faults: list[tuple[str, Any]],
    kind: str,
) -> None:
    """After restarts, outages, lost answers, crashes, edits and disabled backends."""

    async def run() -> None:
        clock = FakeClock()
        with clock.driving(asyncio.get_running_loop()):
            device = stacking_device_class(clock)
            harness = harness_class(clock, stacking_backends(device, kind), quirks=(MiniupnpdNft(),))
            await FaultRun(harness, device).run(faults)

    asyncio.run(run())
