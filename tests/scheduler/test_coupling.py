"""Mappings that a device may confuse, through the whole scheduler."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from portmapper.api.model import Mapping, MapRequest, Protocol, Trait
from portmapper.api.quirks import Applies, Device, Quirk
from portmapper.pluginhost.faults import FAULTS
from portmapper.scheduler.options import Options
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend
from portmapper.testing.fake_device import FakeDevice
from portmapper_quirks.miniupnpd_nft import MiniupnpdNft

Desired = Callable[..., Mapping]
TCP, UDP = Protocol.TCP, Protocol.UDP
OTHER_SERVER = "Linux/6.1 UPnP/1.0 R1/2"


@pytest.fixture
def new_harness(new_harness: Callable[..., Any]) -> Callable[..., Any]:
    """Make harnesses that know the quirk."""
    return functools.partial(new_harness, quirks=(MiniupnpdNft(),))


def requests(device: FakeDevice) -> list[tuple[Protocol, bool]]:
    """Return the protocol of each request, and whether it recreates the mapping."""
    return [(r.protocol, r.recreate) for r in device.requested() if isinstance(r, MapRequest)]


async def test_a_release_reopens_the_peer(harness: Any, device: FakeDevice, desired: Desired) -> None:
    """Only once: its next renewal is an ordinary one."""
    tcp, udp = desired(), desired(protocol=UDP)
    await harness.start(tcp, udp)
    harness.scheduler.set_desired([udp])
    await harness.scheduler.settled()
    await harness.clock.advance(0)
    assert requests(device) == [(TCP, False), (UDP, False), (UDP, True)]
    await harness.clock.advance(2300)
    assert requests(device)[3:][-1] == (UDP, False)


async def test_a_release_after_a_crash_reopens_the_peer(
    harness: Any, device: FakeDevice, desired: Desired
) -> None:
    """Whether it is adopted before or after the release."""
    tcp, udp = desired(), desired(protocol=UDP)
    await harness.start(tcp, udp)
    await harness.crash()
    device.calls.clear()
    await harness.start(udp)
    await harness.clock.advance(0)
    assert device.open_ports() == {(UDP, 80)}
    released = [verb for _, verb, _ in device.calls].index("unmap")
    after = [subject for _, verb, subject in device.calls[released:] if verb == "map"]
    assert any(isinstance(request, MapRequest) and request.recreate for request in after)


@pytest.fixture
def identified(new_harness: Callable[..., Any], device: FakeDevice) -> Any:
    """A gateway over PCP, which UPnP identifies as another device."""
    other = FakeBackend("upnp", device)
    other.server = OTHER_SERVER
    return new_harness(FakeBackend("pcp", device), other, options=Options(interval=10**6))


async def test_a_device_without_the_quirk_is_asked_once_and_never_closed(
    identified: Any, device: FakeDevice, desired: Desired
) -> None:
    """Ten restarts of the daemon cost one renewal each, and no release."""
    ours = desired(), desired(protocol=UDP)
    await identified.start(*ours)
    for _ in range(10):
        await identified.crash()
        device.calls.clear()
        await identified.start(*ours)
        await identified.clock.advance(60)
        assert [protocol for protocol, _ in requests(device)] == [TCP, UDP]
        assert device.requested("unmap") == []
    device.calls.clear()
    await identified.clock.advance(2100)
    assert len(requests(device)) == 2
    assert device.requested("unmap") == []


async def test_what_is_known_of_a_device_survives_a_restart(
    identified: Any, new_harness: Callable[..., Any], device: FakeDevice, desired: Desired
) -> None:
    """UPnP need not answer again."""
    ours = desired(), desired(protocol=UDP)
    await identified.start(*ours)
    await identified.crash()
    device.calls.clear()
    again = new_harness(FakeBackend("pcp", device), store=identified.store)
    await again.start(*ours)
    await again.clock.advance(60)
    assert device.requested("unmap") == []


async def test_different_external_ports_for_one_internal_port_are_one_group(
    new_harness: Callable[..., Any],
    stacking_device_class: Any,
    stacking_backends: Any,
    clock: FakeClock,
    desired: Desired,
) -> None:
    """The device confuses 8080/tcp and 9090/udp to port 80 as well."""
    device = stacking_device_class(clock)
    harness = new_harness(*stacking_backends(device, "upnp"))
    await harness.start(desired(8080, 80), desired(9090, 80, protocol=UDP))
    device.restart()
    await clock.advance(2)
    assert device.stacks[80][-2:] in ([TCP, UDP], [UDP, TCP])
    await clock.advance(7200)
    assert {*device.stacks[80]} == {TCP, UDP}


class Broken(Quirk):
    """A quirk of a third party that fails."""

    name = "broken"

    def applies_to(self, device: Device) -> Applies:
        """Fail."""
        raise ZeroDivisionError("theirs")

    coupling = after = repair = applies_to  # type: ignore[assignment]


async def test_a_quirk_that_fails_is_reported_and_ignored(
    new_harness: Callable[..., Any], device: FakeDevice, desired: Desired
) -> None:
    """Its mappings are opened as if it were not installed."""
    harness = new_harness(FakeBackend("pcp", device), quirks=(Broken(),))
    await harness.start(desired(), desired(protocol=UDP))
    await harness.clock.advance(2100)
    assert device.open_ports() == {(TCP, 80), (UDP, 80)}
    assert [fault["plugin"] for fault in FAULTS.document()] == ["quirk:broken"]


class Known(Quirk):
    """A quirk that only knows a trait of each device of one answer."""

    name = "known"
    traits = frozenset({Trait.NEVER_OVERWRITES})

    def __init__(self, answer: Applies) -> None:
        self._answer = answer

    def applies_to(self, device: Device) -> Applies:
        """Return the answer."""
        return self._answer

    def coupling(self, subject: object) -> None:
        """Couple nothing."""

    after = repair = lambda *_, **__: ()  # type: ignore[assignment]


@pytest.mark.parametrize("answer", list(Applies))
async def test_a_request_carries_the_traits_of_a_device_that_is_known_to_have_them(
    new_harness: Callable[..., Any], device: FakeDevice, desired: Desired, answer: Applies
) -> None:
    """A device that only may have the quirk gets none."""
    harness = new_harness(FakeBackend("pcp", device), quirks=(Known(answer),))
    await harness.start(desired())
    (request,) = device.requested()
    assert request.traits == (Known.traits if answer is Applies.YES else frozenset())


async def test_traits_that_are_no_traits_are_reported_and_ignored(
    new_harness: Callable[..., Any], device: FakeDevice, desired: Desired
) -> None:
    """The mapping opens."""
    quirk = Known(Applies.YES)
    quirk.traits = {"never-overwrites"}  # type: ignore[misc, assignment]
    harness = new_harness(FakeBackend("pcp", device), quirks=(quirk,))
    await harness.start(desired())
    assert device.open_ports() == {(TCP, 80)}
    assert [fault["plugin"] for fault in FAULTS.document()] == ["quirk:known"]
