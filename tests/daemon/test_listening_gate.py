"""Rows that are open only while a program of this host listens."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Sequence

import attrs
import pytest

from portmapper.api.model import Family, Lease, Mapping, MappingState, Protocol
from portmapper.daemon.gatekeeper import Gatekeeper
from portmapper.daemon.listening_gate import GRACE, READ_INTERVAL, ListeningGate
from portmapper.daemon.options import RunOptions
from portmapper.network.listeners import Listener
from portmapper.testing.clock import FakeClock
from portmapper.testing.harness import network_at

HERE = ipaddress.ip_address("192.168.88.10")
WEB = Mapping(Protocol.TCP, 8080, 80, when_listening=True)
PLAIN = Mapping(Protocol.TCP, 25, 25)
LEASE = Lease(Protocol.TCP, HERE, 80, 8080, None, 3600, False, "pcp", "pcp:192.168.88.1")


def on(address: str, port: int = 80, protocol: Protocol = Protocol.TCP) -> Listener:
    """Return a socket."""
    return Listener(protocol, ipaddress.ip_address(address), port)


class World:
    """A gate with its gatekeeper and the sockets of a host."""

    def __init__(self, *, on_loopback: bool = False) -> None:
        self.clock = FakeClock()
        self.sockets: Sequence[Listener] | None = ()
        self.reads = 0
        self.rows: list[Mapping] = [WEB]
        self.gate = ListeningGate(
            self.clock, lambda: network_at("192.168.88.10/24"), self._read, on_loopback=on_loopback
        )
        self.keeper = Gatekeeper([self.gate], self.clock, self.decide)

    def _read(self) -> Sequence[Listener] | None:
        self.reads += 1
        return self.sockets

    def decide(self) -> None:
        """Let the gates decide about the rows."""
        self.keeper.desired(self.rows)

    @property
    def is_open(self) -> bool:
        """Whether the first row is desired."""
        return self.rows[0] in self.keeper.decision.desired

    @property
    def reason(self) -> str:
        """Why the first row is held back."""
        (held,) = self.keeper.decision.held_back
        assert held.state is MappingState.WAITING
        return held.reason


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A world whose gate runs."""
    world = World()

    async def read_at_once(read: object) -> object:
        return read()  # type: ignore[operator]

    monkeypatch.setattr("portmapper.daemon.listening_gate.in_thread", read_at_once)
    with world.clock.driving(asyncio.get_running_loop()):
        task = asyncio.create_task(world.gate.run(world.keeper, world.decide))
        yield world
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_row_opens_once_a_program_listens(world: World) -> None:
    """Until then, the reason names the port."""
    world.decide()
    assert world.reason == "waits for a program to listen on 80/tcp"
    world.sockets = [on("0.0.0.0")]
    await world.clock.advance(READ_INTERVAL + 0.1)
    assert world.is_open


async def test_a_row_is_open_at_once_if_its_program_runs_already(world: World) -> None:
    """A restart of the daemon closes nothing."""
    world.sockets = [on("::")]
    world.decide()
    assert world.is_open


async def test_a_row_closes_after_a_grace_time(world: World) -> None:
    """A program that restarts keeps its port."""
    world.sockets = [on("0.0.0.0")]
    world.decide()
    world.sockets = []
    await world.clock.advance(GRACE - 1)
    assert world.is_open
    world.sockets = [on("0.0.0.0")]
    await world.clock.advance(READ_INTERVAL + 0.1)
    world.sockets = []
    await world.clock.advance(GRACE - READ_INTERVAL)
    assert world.is_open
    await world.clock.advance(2 * READ_INTERVAL)
    assert not world.is_open


async def test_what_an_earlier_run_opened_has_the_grace_time(world: World) -> None:
    """After a boot, the program may start after the daemon."""
    world.gate.remember([LEASE])
    world.decide()
    assert world.is_open
    await world.clock.advance(GRACE + READ_INTERVAL + 0.1)
    assert not world.is_open


async def test_nothing_is_read_while_no_row_needs_it(world: World) -> None:
    """And once for all rows of a decision."""
    world.rows = [PLAIN]
    world.decide()
    await world.clock.advance(60)
    assert world.reads == 0
    world.rows = [attrs.evolve(WEB, internal_port=port) for port in range(1, 100)]
    world.decide()
    assert world.reads == 1
    await world.clock.advance(60)
    assert 25 <= world.reads <= 31
    world.rows = [PLAIN]
    world.decide()
    await world.clock.advance(READ_INTERVAL + 0.1)
    world.reads = 0
    await world.clock.advance(60)
    assert world.reads == 0


@pytest.mark.parametrize(
    "socket",
    [on("127.0.0.1"), on("::1"), on("0.0.0.0", 81), on("0.0.0.0", protocol=Protocol.UDP), on("2001:db8::1")],
)
async def test_another_socket_does_not_open_the_row(world: World, socket: Listener) -> None:
    """One on loopback receives nothing from the gateway."""
    world.sockets = [socket]
    world.decide()
    assert not world.is_open


@pytest.mark.parametrize(
    ("row", "socket", "is_open"),
    [
        (attrs.evolve(WEB, address=HERE), on("192.168.88.10"), True),
        (attrs.evolve(WEB, address=HERE), on("192.168.88.11"), False),
        (attrs.evolve(WEB, address=ipaddress.ip_network("192.168.88.0/24")), on("192.168.88.10"), True),
        (attrs.evolve(WEB, protocol=Protocol.UDP), on("0.0.0.0", protocol=Protocol.UDP), True),
        (attrs.evolve(WEB, family=Family.IPV6), on("0.0.0.0"), False),
        (attrs.evolve(WEB, family=Family.IPV6), on("::"), True),
    ],
)
async def test_the_socket_must_receive_what_the_gateway_forwards(
    world: World, row: Mapping, socket: Listener, is_open: bool
) -> None:
    """By protocol, family and address."""
    world.rows, world.sockets = [row], [socket]
    world.decide()
    assert world.is_open is is_open


async def test_a_row_for_another_host_says_why_it_stays_closed(world: World) -> None:
    """Its sockets are not known here."""
    world.rows = [attrs.evolve(WEB, address=ipaddress.ip_address("192.168.88.77"))]
    world.decide()
    assert world.reason.startswith("192.168.88.77 is another host")


async def test_a_system_that_hides_the_sockets_is_reported(world: World) -> None:
    """MacOS without root."""
    world.sockets = None
    world.decide()
    assert world.reason == "this system does not tell which programs listen"


def test_with_a_gateway_on_this_host_a_program_on_loopback_counts() -> None:
    """The simulator forwards to loopback, as other gateways in software do."""
    world = World(on_loopback=True)
    world.sockets = [on("127.0.0.1")]
    world.decide()
    assert world.is_open


@pytest.mark.parametrize(
    ("chosen", "expected"), [((), False), (("192.168.1.1",), False), (("192.168.1.1", "127.0.0.1"), True)]
)
def test_a_chosen_gateway_on_loopback_runs_on_this_host(chosen: tuple[str, ...], expected: bool) -> None:
    """Its address tells."""
    assert RunOptions(chosen=chosen).on_loopback is expected
