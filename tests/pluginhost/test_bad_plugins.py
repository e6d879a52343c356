"""A backend that hangs, raises, leaks or lies harms nobody else's mappings, and `status` names it."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from portmapper.api.backend import Backend, Gateway, GatewayEvent, Target, VerifiesLeases, WatchesGateway
from portmapper.api.errors import PortmapperError
from portmapper.api.events import EventKind
from portmapper.api.model import Lease, Mapping, MappingState, MapRequest
from portmapper.observability.status import status_document
from portmapper.pluginhost.faults import FAULTS, instantiate
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeGateway
from portmapper.testing.fake_device import GATEWAY, FakeDevice

Desired = Callable[..., Mapping]
ELSEWHERE = ipaddress.ip_address("192.168.88.77")


async def hang(*_: object) -> Any:
    """Never return."""
    await asyncio.Event().wait()


async def hang_on(*_: object) -> Any:
    """Ignore that it is cancelled, once: the second time it is the end of the test."""
    for _ in range(2):
        try:
            await asyncio.sleep(10_000)
        except asyncio.CancelledError:
            continue


async def leave(*_: object) -> Any:
    """Do as if the program were to end."""
    raise SystemExit(3)


async def give_up(*_: object) -> Any:
    """Cancel itself."""
    raise asyncio.CancelledError


async def stumble(*_: object) -> Any:
    """Have a bug."""
    raise ZeroDivisionError("a bug\nof two lines")


def returning(value: Any) -> Callable[..., Any]:
    """Return what returns this, whatever is asked."""

    async def answer(*_: object) -> Any:
        return value

    return answer


def lying(**changes: Any) -> Callable[..., Any]:
    """Return what grants a mapping with something else in place of the truth."""

    async def answer(gateway: FakeGateway, request: MapRequest) -> Lease:
        return attrs.evolve(await gateway.device.map(gateway, request), **changes)

    return answer


BAD_ANSWERS = {
    "hangs": hang,
    "hangs on": hang_on,
    "raises": stumble,
    "exits": leave,
    "cancels": give_up,
    "None": returning(None),
    "text": returning("a lease"),
    "another internal port": lying(internal_port=81),
    "another address": lying(internal_address=ELSEWHERE),
    "another type of port": lying(external_port="80"),
    "true as port": lying(external_port=True),
    "port out of range": lying(external_port=70000),
    "another external port": lying(external_port=8081),
    "no lifetime": lying(lifetime=0),
    "a text as lifetime": lying(lifetime="an hour"),
    "a text as outside address": lying(external_address="1.2.3.4"),
    "bytes kept": lying(private=b"\x00"),
}


def bad_backend(device: FakeDevice, answer: Callable[..., Any]) -> FakeBackend:
    """Return a backend whose gateways answer each request to map so."""
    kind = type("Bad", (FakeGateway,), {"map": answer})
    return FakeBackend("bad", device, kind=kind)


async def end(harness: Any) -> None:
    """End the scheduler while the clock goes on: what hangs is waited for."""
    ending = asyncio.create_task(harness.crash())
    await harness.clock.advance(30)
    await ending
    harness.scheduler = None


def status(harness: Any) -> dict[str, Any]:
    """Return the status document."""
    return status_document(harness.scheduler, (), datetime.now(UTC), harness.clock)


@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
async def test_what_it_does_moves_the_mapping_to_the_next(
    new_harness: Callable[..., Any], device: FakeDevice, desired: Desired, answer: Any
) -> None:
    """The good backend opens the port, and status says why the bad one did not."""
    strange = FakeDevice(device.clock)
    harness = new_harness(bad_backend(strange, answer), FakeBackend("good", device))
    await harness.start(desired(80), desired(443))
    await harness.clock.advance(200)
    assert [harness.lease(desired(port)).backend for port in (80, 443)] == ["good", "good"]
    document = status(harness)
    assert {passed["backend"] for m in document["mappings"] for passed in m["passed_over"]} == {"bad"}
    assert all(passed["reason"] for m in document["mappings"] for passed in m["passed_over"])
    if answer is not BAD_ANSWERS["another external port"]:
        assert [fault["plugin"] for fault in document["faults"]] == ["backend:bad"]
    await end(harness)


@pytest.mark.parametrize("answer", [hang, hang_on, stumble, leave, returning(None)])
async def test_without_another_backend_the_mapping_says_who_failed(
    new_harness: Callable[..., Any], device: FakeDevice, desired: Desired, answer: Any
) -> None:
    """Typed, in one line, with the backend's name; it is tried again, and the scheduler lives."""
    harness = new_harness(bad_backend(device, answer))
    await harness.start(desired(80))
    await harness.clock.advance(20.8)
    failed = next(event for event in harness.events if event.kind is EventKind.FAILED)
    assert failed.detail.startswith("bad: ")
    assert "\n" not in failed.detail
    assert [fault["plugin"] for fault in status(harness)["faults"]] == ["backend:bad"]
    assert harness.state(desired(80)) is not MappingState.ACTIVE
    await end(harness)


async def found_by(*gateways: Any) -> AsyncIterator[Any]:
    """Find these."""
    for gateway in gateways:
        yield gateway


def without(name: str, value: object) -> Callable[..., Any]:
    """Return a search that finds a gateway with something else in place of an attribute."""

    def discover(self: FakeBackend, target: Target) -> Any:
        gateway = FakeGateway(self.devices[0], self.name, target.local_address)
        setattr(gateway, name, value)
        return found_by(gateway)

    return discover


async def endless(self: FakeBackend, target: Target) -> AsyncIterator[Gateway]:
    """Find ever more gateways."""
    for number in range(10_000):
        address = ipaddress.IPv4Address(0x0A000000 + number)
        yield FakeGateway(FakeDevice(self.devices[0].clock, address), self.name, target.local_address)
        await asyncio.sleep(0)


async def stuck(self: FakeBackend, target: Target) -> AsyncIterator[Gateway]:
    """Never end, also when told to."""
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(10_000)
    yield FakeGateway(self.devices[0], self.name, target.local_address)


async def leaving(self: FakeBackend, target: Target) -> AsyncIterator[Gateway]:
    """Do as if the program were to end."""
    raise SystemExit(3)
    yield FakeGateway(self.devices[0], self.name, target.local_address)


BAD_SEARCHES: dict[str, Callable[..., Any]] = {
    "None": lambda self, target: None,
    "a list": lambda self, target: [],
    "a bug": lambda self, target: 1 / 0,
    "no gateway": lambda self, target: found_by("a gateway"),
    "another backend's": without("backend", "good"),
    "text as address": without("address", "192.168.88.1"),
    "text as our address": without("local_address", "192.168.88.10"),
    "no protocol": without("protocol", None),
    "bears nothing": without("concurrency", 0),
    "endless": endless,
    "stuck": stuck,
    "exit": leaving,
}


@pytest.mark.parametrize("search", BAD_SEARCHES.values(), ids=BAD_SEARCHES)
async def test_a_bad_search_holds_nobody_up(
    new_harness: Callable[..., Any], device: FakeDevice, desired: Desired, search: Any
) -> None:
    """The good backend's gateway is used, and the fault has a name."""
    bad = type("BadBackend", (FakeBackend,), {"discover": search})("bad", FakeDevice(device.clock))
    harness = new_harness(bad, FakeBackend("good", device))
    await harness.start(desired(80))
    await harness.clock.advance(60)
    assert harness.lease(desired(80)).backend == ("bad" if search is endless else "good")
    assert [fault["plugin"] for fault in status(harness)["faults"]] == ["backend:bad"]
    await end(harness)


class Talker(FakeGateway, WatchesGateway, VerifiesLeases):
    """Opens ports well, and does everything else wrong."""

    async def watch(self, notify: Callable[[GatewayEvent], None]) -> None:
        """Tell nonsense, and hang."""
        notify("fire")  # type: ignore[arg-type]
        await hang_on()

    async def external_address(self) -> Any:
        """Tell no address."""
        return "somewhere"

    async def holds(self, lease: Lease) -> Any:
        """Neither yes nor no."""
        return "perhaps"

    async def unmap(self, lease: Lease) -> None:
        """Have a bug."""
        raise KeyError(lease)

    async def close(self) -> None:
        """Hang."""
        await hang_on()


async def test_everything_else_may_fail_too(
    new_harness: Callable[..., Any], device: FakeDevice, desired: Desired
) -> None:
    """Leases stay, the other backend's releases are made, and the end comes."""
    strange = FakeDevice(device.clock, ipaddress.ip_address("192.168.88.2"))
    harness = new_harness(FakeBackend("bad", strange, kind=Talker), FakeBackend("good", device))
    await harness.start(desired(80, backend="bad"), desired(81, backend="good"))
    await harness.clock.advance(300)
    assert [harness.state(desired(80, backend="bad")), harness.state(desired(81, backend="good"))] == [
        "active"
    ] * 2
    await harness.want()
    await harness.clock.advance(60)
    assert device.open_ports() == set()
    (fault,) = status(harness)["faults"]
    assert (fault["plugin"], fault["count"] > 1) == ("backend:bad", True)
    await end(harness)


def test_what_cannot_be_made_is_left_out() -> None:
    """A constructor's bug is its plugin's own."""

    class Unmakeable(FakeBackend):
        name = "unmakeable"

        def __init__(self) -> None:
            raise OSError("no such device")

    device = FakeDevice(FakeClock(), GATEWAY)
    good = FakeBackend("good", device)
    backends: list[Backend] = instantiate("backend", [Unmakeable, lambda: good])
    assert backends == [good]
    assert FAULTS.document() == [
        {"plugin": "backend:unmakeable", "error": "OSError: no such device", "count": 1}
    ]


def test_faults_stay_few_and_short() -> None:
    """However many plugins fail, however much they say."""
    for number in range(1000):
        FAULTS.record(f"backend:b{number}", "x\n" * 10_000)
    assert len(FAULTS.document()) == 100
    assert all(len(fault["error"]) <= 300 for fault in FAULTS.document())


def test_a_refusal_of_the_plugin_is_an_error_of_ours() -> None:
    """Whoever catches the vocabulary catches it."""
    from portmapper.pluginhost.faults import record_fault

    assert isinstance(record_fault("backend:x", "it lied"), PortmapperError)
