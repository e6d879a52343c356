"""A backend that hangs, raises or returns invalid values affects no other mapping, and `status` names it."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from portmapper.api.backend import Gateway, GatewayEvent, Target, VerifiesLeases, WatchesGateway
from portmapper.api.events import EventKind
from portmapper.api.model import Lease, Mapping, MappingState, MapRequest
from portmapper.observability.status import status_document
from portmapper.testing.fake_backend import FakeBackend, FakeGateway
from portmapper.testing.fake_device import FakeDevice

Desired = Callable[..., Mapping]
ELSEWHERE = ipaddress.ip_address("192.168.88.77")


async def hang(*_: object) -> Any:
    """Never return."""
    await asyncio.Event().wait()


async def ignore_cancellation(*_: object) -> Any:
    """Ignore the first cancellation; the second one is the end of the test."""
    for _ in range(2):
        try:
            await asyncio.sleep(10_000)
        except asyncio.CancelledError:
            continue


async def exit_program(*_: object) -> Any:
    """Try to end the program."""
    raise SystemExit(3)


async def cancel_itself(*_: object) -> Any:
    """Cancel itself."""
    raise asyncio.CancelledError


async def raise_bug(*_: object) -> Any:
    """Raise an unexpected exception."""
    raise ZeroDivisionError("a bug\nof two lines")


def returning(value: Any) -> Callable[..., Any]:
    """Return a method that returns this value."""

    async def answer(*_: object) -> Any:
        return value

    return answer


def wrong_lease(**changes: Any) -> Callable[..., Any]:
    """Return a `map` method whose lease has wrong values."""

    async def answer(gateway: FakeGateway, request: MapRequest) -> Lease:
        return attrs.evolve(await gateway.device.map(gateway, request), **changes)

    return answer


BAD_ANSWERS = {
    "hangs": hang,
    "ignores its cancellation": ignore_cancellation,
    "raises": raise_bug,
    "exits": exit_program,
    "cancels": cancel_itself,
    "None": returning(None),
    "text": returning("a lease"),
    "another internal port": wrong_lease(internal_port=81),
    "another address": wrong_lease(internal_address=ELSEWHERE),
    "another type of port": wrong_lease(external_port="80"),
    "true as port": wrong_lease(external_port=True),
    "port out of range": wrong_lease(external_port=70000),
    "another external port": wrong_lease(external_port=8081),
    "no lifetime": wrong_lease(lifetime=0),
    "a text as lifetime": wrong_lease(lifetime="an hour"),
    "a text as external address": wrong_lease(external_address="1.2.3.4"),
    "bytes kept": wrong_lease(private=b"\x00"),
}


def bad_backend(device: FakeDevice, answer: Callable[..., Any]) -> FakeBackend:
    """Return a backend whose gateways use this `map` method."""
    kind = type("Bad", (FakeGateway,), {"map": answer})
    return FakeBackend("bad", device, kind=kind)


async def end(harness: Any) -> None:
    """End the scheduler while the clock advances, because it waits for calls that hang."""
    ending = asyncio.create_task(harness.crash())
    await harness.clock.advance(30)
    await ending
    harness.scheduler = None


def status(harness: Any) -> dict[str, Any]:
    """Return the status document."""
    return status_document(harness.scheduler, (), datetime.now(UTC), harness.clock)


@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
async def test_a_bad_answer_moves_the_mapping_to_the_next_backend(
    new_harness: Callable[..., Any], device: FakeDevice, desired: Desired, answer: Any
) -> None:
    """The good backend opens the port, and status shows why the bad one did not."""
    other = FakeDevice(device.clock)
    harness = new_harness(bad_backend(other, answer), FakeBackend("good", device))
    await harness.start(desired(80), desired(443))
    await harness.clock.advance(200)
    assert [harness.lease(desired(port)).backend for port in (80, 443)] == ["good", "good"]
    document = status(harness)
    assert {passed["backend"] for m in document["mappings"] for passed in m["passed_over"]} == {"bad"}
    assert all(passed["reason"] for m in document["mappings"] for passed in m["passed_over"])
    if answer is not BAD_ANSWERS["another external port"]:
        assert [fault["plugin"] for fault in document["faults"]] == ["backend:bad"]
    await end(harness)


@pytest.mark.parametrize("answer", [hang, ignore_cancellation, raise_bug, exit_program, returning(None)])
async def test_without_another_backend_the_error_names_the_bad_one(
    new_harness: Callable[..., Any], device: FakeDevice, desired: Desired, answer: Any
) -> None:
    """One line with the backend's name. The mapping is retried, and the scheduler continues."""
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
    """Yield these gateways."""
    for gateway in gateways:
        yield gateway


def wrong_gateway(name: str, value: object) -> Callable[..., Any]:
    """Return a `discover` method whose gateway has a wrong attribute."""

    def discover(self: FakeBackend, target: Target) -> Any:
        gateway = FakeGateway(self.devices[0], self.name, target.local_address)
        setattr(gateway, name, value)
        return found_by(gateway)

    return discover


async def endless(self: FakeBackend, target: Target) -> AsyncIterator[Gateway]:
    """Find a very large number of gateways."""
    for number in range(10_000):
        address = ipaddress.IPv4Address(0x0A000000 + number)
        yield FakeGateway(FakeDevice(self.devices[0].clock, address), self.name, target.local_address)
        await asyncio.sleep(0)


async def stuck(self: FakeBackend, target: Target) -> AsyncIterator[Gateway]:
    """Never end, not even when canceled."""
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(10_000)
    yield FakeGateway(self.devices[0], self.name, target.local_address)


async def exiting(self: FakeBackend, target: Target) -> AsyncIterator[Gateway]:
    """Try to end the program."""
    raise SystemExit(3)
    yield FakeGateway(self.devices[0], self.name, target.local_address)


BAD_SEARCHES: dict[str, Callable[..., Any]] = {
    "None": lambda self, target: None,
    "a list": lambda self, target: [],
    "a bug": lambda self, target: 1 / 0,
    "no gateway": lambda self, target: found_by("a gateway"),
    "another backend's": wrong_gateway("backend", "good"),
    "text as address": wrong_gateway("address", "192.168.88.1"),
    "text as our address": wrong_gateway("local_address", "192.168.88.10"),
    "no protocol": wrong_gateway("protocol", None),
    "no concurrency": wrong_gateway("concurrency", 0),
    "endless": endless,
    "stuck": stuck,
    "exit": exiting,
}


@pytest.mark.parametrize("search", BAD_SEARCHES.values(), ids=BAD_SEARCHES)
async def test_a_bad_search_delays_no_other_backend(
    new_harness: Callable[..., Any], device: FakeDevice, desired: Desired, search: Any
) -> None:
    """The good backend's gateway is used, and the fault is recorded."""
    bad = type("BadBackend", (FakeBackend,), {"discover": search})("bad", FakeDevice(device.clock))
    harness = new_harness(bad, FakeBackend("good", device))
    await harness.start(desired(80))
    await harness.clock.advance(60)
    assert harness.lease(desired(80)).backend == ("bad" if search is endless else "good")
    assert [fault["plugin"] for fault in status(harness)["faults"]] == ["backend:bad"]
    await end(harness)


class FaultyGateway(FakeGateway, WatchesGateway, VerifiesLeases):
    """Opens ports correctly, and does everything else wrong."""

    async def watch(self, notify: Callable[[GatewayEvent], None]) -> None:
        """Report an invalid event, and hang."""
        notify("fire")  # type: ignore[arg-type]
        await ignore_cancellation()

    async def external_address(self) -> Any:
        """Return text instead of an address."""
        return "somewhere"

    async def holds(self, lease: Lease) -> Any:
        """Return text instead of a bool."""
        return "perhaps"

    async def unmap(self, lease: Lease) -> None:
        """Raise an unexpected exception."""
        raise KeyError(lease)

    async def close(self) -> None:
        """Hang, even when canceled."""
        await ignore_cancellation()


async def test_all_other_calls_may_fail(
    new_harness: Callable[..., Any], device: FakeDevice, desired: Desired
) -> None:
    """Leases stay, the other backend's leases are released, and the scheduler ends."""
    other = FakeDevice(device.clock, ipaddress.ip_address("192.168.88.2"))
    harness = new_harness(FakeBackend("bad", other, kind=FaultyGateway), FakeBackend("good", device))
    await harness.start(desired(80, backend="bad"), desired(81, backend="good"))
    await harness.clock.advance(300)
    assert [harness.state(desired(80, backend="bad")), harness.state(desired(81, backend="good"))] == [
        "active"
    ] * 2
    await harness.set_desired()
    await harness.clock.advance(60)
    assert device.open_ports() == set()
    (fault,) = status(harness)["faults"]
    assert (fault["plugin"], fault["count"] > 1) == ("backend:bad", True)
    await end(harness)
