"""A search of one target: which gateways it ranks, waits for, keeps and drops."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Collection
from typing import Any

import pytest

from portmapper.api.backend import Backend, EndsSearch, Gateway, Target
from portmapper.api.errors import Unsupported
from portmapper.api.late_reading import ReadsLate
from portmapper.api.model import IPAddress
from portmapper.gateways.brief import Brief
from portmapper.gateways.probe import GRACE, ROUND_LIMIT, Probe
from portmapper.pluginhost.faults import FAULTS
from portmapper.store.gateway_table import GatewayTable
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeGateway
from portmapper.testing.fake_device import GATEWAY, FakeDevice

TARGET = Target(ipaddress.ip_address("192.168.88.10"), "eth0", GATEWAY)
ACCESS_POINT = ipaddress.ip_address("192.168.88.2")


class ProbeRounds:
    """A search, with the backends of the known gateways at each report."""

    def __init__(self, clock: FakeClock, *backends: Backend) -> None:
        self.reported: list[list[str]] = []
        self.clock = clock
        self.search = Probe(TARGET, backends, self._report)

    def _report(self, search: Probe) -> None:
        self.reported.append([gateway.backend for gateway in search.gateways])

    async def round(self, seconds: float = ROUND_LIMIT + 1) -> None:
        """Run one round to its end."""
        task = asyncio.create_task(self.search.round())
        await self.clock.advance(seconds)
        await task


async def test_the_best_answer_settles_the_search_immediately(clock: FakeClock, device: FakeDevice) -> None:
    """No better answer can arrive; a slow gateway is added later."""
    rounds = ProbeRounds(clock, FakeBackend("pcp", device), FakeBackend("upnp", device, delay=2))
    task = asyncio.create_task(rounds.search.round())
    await clock.advance(0)
    assert rounds.search.settled
    assert rounds.reported[0] == ["pcp"]
    await clock.advance(3)
    assert await task
    assert rounds.reported[-1] == ["pcp", "upnp"]


async def test_a_better_answer_within_the_grace_comes_first(clock: FakeClock, device: FakeDevice) -> None:
    """Even if the other backend answered first."""
    rounds = ProbeRounds(clock, FakeBackend("pcp", device, delay=GRACE / 2), FakeBackend("upnp", device))
    await rounds.round(GRACE)
    assert rounds.reported[0] == ["pcp", "upnp"]


async def test_the_grace_ends(clock: FakeClock, device: FakeDevice) -> None:
    """The gateways that answered are used; a better one that answers late is put first."""
    rounds = ProbeRounds(clock, FakeBackend("pcp", device, delay=3), FakeBackend("upnp", device))
    task = asyncio.create_task(rounds.search.round())
    await clock.advance(GRACE)
    assert rounds.reported == [["upnp"]]
    await clock.advance(3)
    await task
    assert rounds.reported[-1] == ["pcp", "upnp"]


async def test_no_answer_is_a_result(clock: FakeClock) -> None:
    """The round ends without a gateway."""
    rounds = ProbeRounds(clock, FakeBackend("pcp"))
    await rounds.round()
    assert (rounds.reported, rounds.search.settled, rounds.search.done) == ([[]], True, True)


async def test_a_backend_that_never_ends_is_canceled(clock: FakeClock, device: FakeDevice) -> None:
    """Its gateways count, and the other backends are not delayed."""
    endless = FakeBackend("pcp", device)
    endless.endless = True
    rounds = ProbeRounds(clock, endless, FakeBackend("upnp", device))
    await rounds.round()
    assert rounds.reported[-1] == ["pcp", "upnp"]
    assert f"{ROUND_LIMIT:.0f} s" in str(rounds.search.failures["pcp"])


@pytest.mark.parametrize("error", [Unsupported("not an IGD"), ZeroDivisionError("a bug")])
async def test_a_backend_that_fails_is_isolated(
    clock: FakeClock, device: FakeDevice, error: Exception
) -> None:
    """Its reason is kept, and the other backends continue."""
    failing = FakeBackend("pcp", device)
    failing.error = error
    rounds = ProbeRounds(clock, failing, FakeBackend("upnp", device))
    await rounds.round()
    assert rounds.reported[-1] == ["upnp"]
    assert str(error) in str(rounds.search.failures["pcp"])


class NoIterator(FakeBackend):
    """A faulty third-party backend: it fails before it returns an iterator."""

    def discover(self, target: Target) -> AsyncIterator[Gateway]:
        """Raise an error."""
        raise ZeroDivisionError("a bug")


class Wrong(FakeBackend):
    """A faulty third-party backend: it yields a gateway of another backend."""

    async def discover(self, target: Target) -> AsyncIterator[Any]:
        """Yield a gateway of another backend, and None."""
        async for gateway in FakeBackend("other", *self.devices).discover(target):
            yield gateway
        yield None


@pytest.mark.parametrize("kind", [NoIterator, Wrong])
async def test_a_faulty_backend_is_isolated(
    clock: FakeClock, device: FakeDevice, kind: type[FakeBackend]
) -> None:
    """The fault is recorded for this backend, and the round continues."""
    rounds = ProbeRounds(clock, kind("pcp", device), FakeBackend("upnp", device))
    await rounds.round()
    assert rounds.reported[-1] == ["upnp"]
    assert "pcp" in rounds.search.failures
    await rounds.round()
    assert rounds.reported[-1] == ["upnp"]


async def test_the_default_gateway_comes_first(clock: FakeClock, device: FakeDevice) -> None:
    """CONFORMANCE D9: the IGD of an access point answers, too, and first."""
    rounds = ProbeRounds(clock, FakeBackend("upnp", FakeDevice(clock, ACCESS_POINT), device))
    await rounds.round()
    assert [gateway.address for gateway in rounds.search.gateways] == [GATEWAY, ACCESS_POINT]


async def test_a_gateway_that_answers_again_keeps_its_object(clock: FakeClock, device: FakeDevice) -> None:
    """The object knows the epoch; the new object is closed."""
    backend = FakeBackend("pcp", device)
    rounds = ProbeRounds(clock, backend)
    await rounds.round()
    await rounds.round()
    first, second = backend.found
    assert rounds.search.gateways == [first]
    assert (first.closed, second.closed) == (False, True)


async def test_a_gateway_whose_description_moved_gets_a_new_object(
    clock: FakeClock, device: FakeDevice
) -> None:
    """CONFORMANCE M14: the old URL is invalid, so the old object is closed."""
    backend = FakeBackend("upnp", device)
    rounds = ProbeRounds(clock, backend)
    await rounds.round()
    backend.location = "http://192.168.88.1:5000/other.xml"
    await rounds.round()
    first, second = backend.found
    assert rounds.search.gateways == [second]
    assert (first.closed, second.closed) == (True, False)


async def test_a_silent_gateway_is_kept_if_no_other_answers(clock: FakeClock, device: FakeDevice) -> None:
    """It may be rebooting, and its epoch is needed afterwards."""
    rounds = ProbeRounds(clock, FakeBackend("pcp", device))
    await rounds.round()
    device.silent = True
    await rounds.round()
    assert [gateway.backend for gateway in rounds.search.gateways] == ["pcp"]


async def test_a_protocol_that_was_switched_off_is_dropped(clock: FakeClock, device: FakeDevice) -> None:
    """Other protocols still answer. It is dropped only in the second round: it may start late."""
    pcp = FakeBackend("pcp", device)
    rounds = ProbeRounds(clock, pcp, FakeBackend("upnp", device))
    await rounds.round()
    pcp.devices = ()
    await rounds.round()
    assert [gateway.backend for gateway in rounds.search.gateways] == ["pcp", "upnp"]
    await rounds.round()
    assert [gateway.backend for gateway in rounds.search.gateways] == ["upnp"]
    assert rounds.search.dropped == {"pcp:192.168.88.1"}
    assert pcp.found[0].closed


async def test_a_protocol_that_starts_late_keeps_its_object(clock: FakeClock, device: FakeDevice) -> None:
    """The object listens for restarts and knows the last epoch."""
    pcp = FakeBackend("pcp", device)
    rounds = ProbeRounds(clock, pcp, FakeBackend("upnp", device))
    await rounds.round()
    pcp.devices = ()
    await rounds.round()
    pcp.devices = (device,)
    await rounds.round()
    assert rounds.search.gateways[0] is pcp.found[0]
    assert not pcp.found[0].closed


class LateBackend(FakeBackend, ReadsLate):
    """Keeps what it is told about the better backends."""

    def __init__(self, name: str, *devices: FakeDevice, **options: Any) -> None:
        super().__init__(name, *devices, **options)
        self.told: list[tuple[set[IPAddress], bool]] = []
        self.alone: set[bool] = set()

    def others_answered(
        self, target: Target, answered: Collection[IPAddress], *, may_follow: bool, alone: bool
    ) -> None:
        """Keep it."""
        self.alone.add(alone)
        if (now := (set(answered), may_follow)) not in self.told[-1:]:
            self.told.append(now)


async def round_of(probe: Probe, clock: FakeClock) -> None:
    """Run one round to its end."""
    task = asyncio.create_task(probe.round())
    await clock.advance(ROUND_LIMIT + 1)
    await task


async def test_a_backend_that_reads_late_is_told_who_has_answered(
    clock: FakeClock, device: FakeDevice
) -> None:
    """And when no better answer can arrive any more."""
    late = LateBackend("upnp", device, delay=2)
    probe = Probe(TARGET, [FakeBackend("pcp", device, delay=1), late], lambda _: None, leaves_unread=True)
    await round_of(probe, clock)
    assert late.told == [(set(), True), ({GATEWAY}, True), ({GATEWAY}, False)]


async def test_a_backend_that_found_nothing_the_last_time_is_not_expected(
    clock: FakeClock, device: FakeDevice
) -> None:
    """Many routers drop the packets of a protocol that they do not speak."""
    known, late, silent = GatewayTable(), LateBackend("upnp", device), FakeBackend("pcp", delay=9)
    probe = Probe(TARGET, [silent, late], lambda _: None, known=known, leaves_unread=True)
    await round_of(probe, clock)
    assert late.told == [(set(), True), (set(), False)]
    late.told.clear()
    await round_of(probe, clock)
    assert late.told == [(set(), False)]


class FailsToListen(LateBackend, EndsSearch):
    """A faulty third-party backend: it raises whatever it is told."""

    def others_answered(self, *_: Any, **__: Any) -> None:
        """Raise an error."""
        raise ZeroDivisionError("a bug")

    def end_search(self, *_: Any) -> None:
        """Raise an error."""
        raise ZeroDivisionError("a bug")


@pytest.mark.parametrize("brief", [None, Brief()])
async def test_a_backend_that_fails_when_it_is_told_disturbs_no_other(
    clock: FakeClock, device: FakeDevice, brief: Brief | None
) -> None:
    """Its fault is its own, and its gateways count."""
    backends = [FakeBackend("pcp", device), FailsToListen("upnp", device, delay=1)]
    probe = Probe(TARGET, backends, lambda _: None, brief=brief, leaves_unread=True)
    await round_of(probe, clock)
    assert [gateway.backend for gateway in probe.gateways] == ["pcp", "upnp"]
    assert probe.failures == {}
    assert {fault["plugin"] for fault in FAULTS.document()} == {"backend:upnp"}


@pytest.mark.parametrize("others", [[], ["pcp"]])
async def test_a_backend_knows_that_it_searches_alone(
    others: list[str], clock: FakeClock, device: FakeDevice
) -> None:
    """Then it need not wait for an answer with what it loads."""
    late = LateBackend("upnp", device)
    backends = [*(FakeBackend(name, device) for name in others), late]
    await round_of(Probe(TARGET, backends, lambda _: None), clock)
    assert late.alone == {not others}


async def test_a_command_reads_every_gateway(clock: FakeClock, device: FakeDevice) -> None:
    """It shows what the gateway tells."""
    late = LateBackend("upnp", device)
    await round_of(Probe(TARGET, [FakeBackend("pcp", device), late], lambda _: None), clock)
    assert late.told == [(set(), False)]


async def test_a_gateway_that_was_read_replaces_an_unread_one(clock: FakeClock, device: FakeDevice) -> None:
    """A later search reads it if the better protocol has gone; the other way around, nothing changes."""
    late = LateBackend("upnp", device)
    probe = Probe(TARGET, [late], lambda _: None, leaves_unread=True)
    found = []
    for unread in (True, False, True):
        late.kind = type("Kind", (FakeGateway,), {"unread": unread})
        await round_of(probe, clock)
        found.append(probe.gateways[0])
    assert [gateway.unread for gateway in found] == [True, False, False]
    assert found[1] is found[2]
