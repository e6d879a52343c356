"""Searches: who is taken, who is waited for, who is dropped, and when the next search begins."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from portmapper.api.backend import Backend, Gateway, GatewayEvent, Target
from portmapper.api.errors import Unsupported
from portmapper.gateways.discovery import Discovery
from portmapper.gateways.probe import GRACE, ROUND_LIMIT, Probe
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend
from portmapper.testing.fake_device import GATEWAY, FakeDevice

TARGET = Target(ipaddress.ip_address("192.168.88.10"), "eth0", GATEWAY)
ACCESS_POINT = ipaddress.ip_address("192.168.88.2")


class Executor:
    """One search, and the names of those known each time it told something."""

    def __init__(self, clock: FakeClock, *backends: Backend) -> None:
        self.told: list[list[str]] = []
        self.clock = clock
        self.search = Probe(TARGET, backends, self._note)

    def _note(self, search: Probe) -> None:
        self.told.append([gateway.backend for gateway in search.gateways])

    async def round(self, seconds: float = ROUND_LIMIT + 1) -> None:
        """Run a round to its end."""
        task = asyncio.create_task(self.search.round())
        await self.clock.advance(seconds)
        await task


async def test_the_best_answer_is_taken_at_once(clock: FakeClock, device: FakeDevice) -> None:
    """There is nothing better to wait for, and the slow one is added later."""
    rounds = Executor(clock, FakeBackend("pcp", device), FakeBackend("upnp", device, delay=2))
    task = asyncio.create_task(rounds.search.round())
    await clock.advance(0)
    assert rounds.search.settled
    assert rounds.told[0] == ["pcp"]
    await clock.advance(3)
    assert await task
    assert rounds.told[-1] == ["pcp", "upnp"]


async def test_a_better_answer_within_the_grace_comes_first(clock: FakeClock, device: FakeDevice) -> None:
    """However quick the other was."""
    rounds = Executor(clock, FakeBackend("pcp", device, delay=GRACE / 2), FakeBackend("upnp", device))
    await rounds.round(GRACE)
    assert rounds.told[0] == ["pcp", "upnp"]


async def test_the_grace_ends(clock: FakeClock, device: FakeDevice) -> None:
    """What answered is used, and a better one that is late is put before it."""
    rounds = Executor(clock, FakeBackend("pcp", device, delay=3), FakeBackend("upnp", device))
    task = asyncio.create_task(rounds.search.round())
    await clock.advance(GRACE)
    assert rounds.told == [["upnp"]]
    await clock.advance(3)
    await task
    assert rounds.told[-1] == ["pcp", "upnp"]


async def test_no_answer_is_a_result(clock: FakeClock) -> None:
    """The round ends, and there is nobody."""
    rounds = Executor(clock, FakeBackend("pcp"))
    await rounds.round()
    assert (rounds.told, rounds.search.settled, rounds.search.done) == ([[]], True, True)


async def test_a_backend_that_never_ends_is_cut_off(clock: FakeClock, device: FakeDevice) -> None:
    """What it found counts, and the others are not held up."""
    endless = FakeBackend("pcp", device)
    endless.endless = True
    rounds = Executor(clock, endless, FakeBackend("upnp", device))
    await rounds.round()
    assert rounds.told[-1] == ["pcp", "upnp"]
    assert "6 s" in str(rounds.search.failures["pcp"])


@pytest.mark.parametrize("error", [Unsupported("not an IGD"), ZeroDivisionError("a bug")])
async def test_a_backend_that_fails_is_isolated(
    clock: FakeClock, device: FakeDevice, error: Exception
) -> None:
    """Its reason is kept, the others go on."""
    failing = FakeBackend("pcp", device)
    failing.error = error
    rounds = Executor(clock, failing, FakeBackend("upnp", device))
    await rounds.round()
    assert rounds.told[-1] == ["upnp"]
    assert str(error) in str(rounds.search.failures["pcp"])


class NoIterator(FakeBackend):
    """A stranger's mistake: it fails before there is anything to iterate over."""

    def discover(self, target: Target) -> AsyncIterator[Gateway]:
        """Fail."""
        raise ZeroDivisionError("a bug")


class Wrong(FakeBackend):
    """A stranger's mistake: what it yields is no gateway of its own."""

    async def discover(self, target: Target) -> AsyncIterator[Any]:
        """Yield a gateway of another backend, and nonsense."""
        async for gateway in FakeBackend("other", *self.devices).discover(target):
            yield gateway
        yield None


@pytest.mark.parametrize("kind", [NoIterator, Wrong])
async def test_a_backend_that_is_wrong_is_isolated(
    clock: FakeClock, device: FakeDevice, kind: type[FakeBackend]
) -> None:
    """It is a failure of that backend, and the round goes on."""
    rounds = Executor(clock, kind("pcp", device), FakeBackend("upnp", device))
    await rounds.round()
    assert rounds.told[-1] == ["upnp"]
    assert "pcp" in rounds.search.failures
    await rounds.round()
    assert rounds.told[-1] == ["upnp"]


async def test_the_default_gateway_comes_first(clock: FakeClock, device: FakeDevice) -> None:
    """D9: an access point's IGD answers too, and quicker."""
    rounds = Executor(clock, FakeBackend("upnp", FakeDevice(clock, ACCESS_POINT), device))
    await rounds.round()
    assert [gateway.address for gateway in rounds.search.gateways] == [GATEWAY, ACCESS_POINT]


async def test_a_gateway_that_answers_again_is_the_same_object(clock: FakeClock, device: FakeDevice) -> None:
    """It keeps what it knows of its epoch; the new one is closed."""
    backend = FakeBackend("pcp", device)
    rounds = Executor(clock, backend)
    await rounds.round()
    await rounds.round()
    first, second = backend.found
    assert rounds.search.gateways == [first]
    assert (first.closed, second.closed) == (False, True)


async def test_a_description_that_moved_is_another_object(clock: FakeClock, device: FakeDevice) -> None:
    """M14: the old one leads nowhere and is closed."""
    backend = FakeBackend("upnp", device)
    rounds = Executor(clock, backend)
    await rounds.round()
    backend.location = "http://192.168.88.1:5000/other.xml"
    await rounds.round()
    first, second = backend.found
    assert rounds.search.gateways == [second]
    assert (first.closed, second.closed) == (True, False)


async def test_a_gateway_that_is_silent_is_kept(clock: FakeClock, device: FakeDevice) -> None:
    """It may be rebooting, and what is known of it is needed then."""
    rounds = Executor(clock, FakeBackend("pcp", device))
    await rounds.round()
    device.silent = True
    await rounds.round()
    assert [gateway.backend for gateway in rounds.search.gateways] == ["pcp"]


async def test_a_protocol_that_was_switched_off_is_dropped(clock: FakeClock, device: FakeDevice) -> None:
    """Others of that place still answer; not at once, for it may only come up later than they do."""
    pcp = FakeBackend("pcp", device)
    rounds = Executor(clock, pcp, FakeBackend("upnp", device))
    await rounds.round()
    pcp.devices = ()
    await rounds.round()
    assert [gateway.backend for gateway in rounds.search.gateways] == ["pcp", "upnp"]
    await rounds.round()
    assert [gateway.backend for gateway in rounds.search.gateways] == ["upnp"]
    assert rounds.search.dropped == {"pcp:192.168.88.1"}
    assert pcp.found[0].closed


async def test_a_protocol_that_comes_up_late_is_the_object_that_it_was(
    clock: FakeClock, device: FakeDevice
) -> None:
    """It hears the next restart and knows the last epoch."""
    pcp = FakeBackend("pcp", device)
    rounds = Executor(clock, pcp, FakeBackend("upnp", device))
    await rounds.round()
    pcp.devices = ()
    await rounds.round()
    pcp.devices = (device,)
    await rounds.round()
    assert rounds.search.gateways[0] is pcp.found[0]
    assert not pcp.found[0].closed


@pytest.fixture
async def discover(clock: FakeClock) -> AsyncIterator[Callable[..., Discovery]]:
    """Make discoveries that end with the test; the news go to their attribute `heard`."""
    made: list[Any] = []

    def make(*backends: Backend, searched: Callable[[Probe], None] = lambda search: None) -> Any:
        discovery: Any = Discovery(
            backends,
            clock=clock,
            longest_pause=60,
            on_search=searched,
            on_event=lambda gateway, event: discovery.heard.append((gateway.backend, event)),
        )
        discovery.heard = []
        made.append(discovery)
        return discovery

    yield make
    for discovery in made:
        await discovery.close()


async def test_an_empty_target_is_searched_less_and_less_often(
    discover: Callable[..., Any], clock: FakeClock
) -> None:
    """Down to once an interval, for ever."""
    backend = FakeBackend("pcp")
    discover(backend).search(TARGET)
    await clock.advance(10)
    assert 3 <= backend.searches <= 6
    await clock.advance(3600)
    assert 45 <= backend.searches <= 100


async def test_a_target_with_a_gateway_is_left_in_peace(
    discover: Callable[..., Any], clock: FakeClock, device: FakeDevice
) -> None:
    """Until something says that it changed."""
    backend = FakeBackend("pcp", device)
    discovery = discover(backend)
    discovery.search(TARGET)
    await clock.advance(86400)
    assert backend.searches == 1
    discovery.search_again(TARGET)
    await clock.advance(1)
    assert backend.searches == 2


async def test_a_protocol_that_is_missing_is_searched_for_a_while(
    discover: Callable[..., Any], clock: FakeClock, device: FakeDevice
) -> None:
    """Less and less often, and not for ever where it was switched off for good."""
    pcp = FakeBackend("pcp", device)
    discovery = discover(pcp, FakeBackend("upnp", device))
    discovery.search(TARGET)
    await clock.advance(10)
    pcp.devices = ()
    discovery.search_again(TARGET)
    await clock.advance(3600)
    assert 10 <= pcp.searches <= 13
    pcp.devices = (device,)
    discovery.search_again(TARGET)
    await clock.advance(10)
    assert [gateway.backend for gateway in discovery.gateways] == ["pcp", "upnp"]


async def test_there_is_no_more_than_one_round_a_second(
    discover: Callable[..., Any], clock: FakeClock, device: FakeDevice
) -> None:
    """However loudly something asks for the next."""
    backend = FakeBackend("pcp", device)
    discovery = discover(backend)
    discovery.search(TARGET)
    for _ in range(100):
        discovery.search_all()
        await clock.advance(0.1)
    assert backend.searches <= 11


async def test_the_same_target_is_searched_once(discover: Callable[..., Any], clock: FakeClock) -> None:
    """Ten mappings share one search."""
    discovery = discover(FakeBackend("pcp"))
    assert discovery.search(TARGET) is discovery.search(TARGET)


async def test_a_gateway_is_watched_once(
    discover: Callable[..., Any], clock: FakeClock, device: FakeDevice
) -> None:
    """Also when it is found again; and each protocol tells for itself."""
    discovery = discover(FakeBackend("pcp", device), FakeBackend("upnp", device))
    discovery.search(TARGET)
    await clock.advance(2)
    discovery.search_all()
    await clock.advance(2)
    device.tell(GatewayEvent.RESTARTED)
    assert sorted(discovery.heard) == [("pcp", GatewayEvent.RESTARTED), ("upnp", GatewayEvent.RESTARTED)]


async def test_a_forgotten_target_is_silent(
    discover: Callable[..., Any], clock: FakeClock, device: FakeDevice
) -> None:
    """Its gateways are closed, also in the middle of a search."""
    backend = FakeBackend("pcp", device)
    backend.endless = True
    discovery = discover(backend)
    discovery.search(TARGET)
    await clock.advance(1)
    await discovery.forget(TARGET)
    assert backend.found[0].closed
    device.tell(GatewayEvent.RESTARTED)
    assert discovery.heard == []
    assert discovery.gateways == []


async def test_a_gateway_is_known_by_its_identity(
    discover: Callable[..., Any], clock: FakeClock, device: FakeDevice
) -> None:
    """As the store keeps it."""
    backend = FakeBackend("pcp", device)
    discovery = discover(backend)
    discovery.search(TARGET)
    await clock.advance(1)
    assert discovery.gateway("pcp:192.168.88.1") is backend.found[0]
    assert discovery.gateway("pcp:192.168.88.9") is None
