"""Requests to a running daemon: open and close ports that no source lists."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from typing import Any

import pytest

from portmapper.api.errors import NotAuthorized, UsageError
from portmapper.api.model import Mapping, MappingState, Protocol
from portmapper.daemon.answers import ANSWER_LIMIT
from portmapper.daemon.requests import Requests
from portmapper.sources.adhoc import AdhocMappings
from portmapper.sources.policy import Action, Policy, Rule
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeListingGateway
from portmapper.testing.fake_device import FakeDevice

Desired = Callable[..., Mapping]
RECORD = {"port": 8080, "protocol": "TCP"}


class Daemon:
    """Requests to a scheduler that also has a list of mappings."""

    def __init__(self, harness: Any, listed: tuple[Mapping, ...]) -> None:
        self.adhoc = AdhocMappings(harness.store)
        self.requests = Requests(harness.scheduler, harness.store, self.adhoc, self._changed)
        self._harness = harness
        self._listed = listed

    def _changed(self) -> None:
        self._harness.scheduler.set_desired([*self._listed, *self.adhoc.mappings])

    async def answer(self, request: Any, seconds: float = 1.0) -> Any:
        """Return the answer to a request within this time."""
        task = asyncio.create_task(request)
        await self._harness.clock.advance(seconds)
        return task.result()


@pytest.fixture
async def daemon(harness: Any, desired: Desired) -> Daemon:
    """A daemon with a list of one port, 80."""
    listed = desired(80, source="ports.csv")
    await harness.start(listed)
    return Daemon(harness, (listed,))


async def test_an_opened_port_is_open_when_the_answer_comes(daemon: Daemon, device: FakeDevice) -> None:
    """And it stays among the desired mappings until it is closed."""
    (entry,) = await daemon.answer(daemon.requests.open([RECORD], Policy()))
    assert entry.state is MappingState.ACTIVE
    assert device.open_ports() == {(Protocol.TCP, 80), (Protocol.TCP, 8080)}
    (result,) = await daemon.answer(daemon.requests.close([RECORD]))
    records = result.pop("records")
    assert result == {"protocol": "TCP", "port": 8080, "result": "closed", "detail": ""}
    assert device.open_ports() == {(Protocol.TCP, 80)}
    assert daemon.adhoc.mappings == ()
    (again,) = await daemon.answer(daemon.requests.open(records, Policy()))
    assert again.mapping == entry.mapping


async def test_the_answer_does_not_wait_after_a_refusal(daemon: Daemon, device: FakeDevice) -> None:
    """It contains the reason."""
    device.refusals[8080] = NotAuthorized("not by you")
    (entry,) = await daemon.answer(daemon.requests.open([RECORD], Policy()))
    assert (entry.state, entry.error) == (MappingState.REFUSED, "PCP: not by you")


async def test_the_answer_comes_in_time_from_a_gateway_that_hangs(daemon: Daemon, device: FakeDevice) -> None:
    """The mapping is pending, and the daemon keeps trying."""
    device.hangs = True
    (entry,) = await daemon.answer(daemon.requests.open([RECORD], Policy()), ANSWER_LIMIT + 0.1)
    assert entry.state is MappingState.PENDING


async def test_a_port_that_a_source_lists_is_not_closed(daemon: Daemon, device: FakeDevice) -> None:
    """The result names the source."""
    (result,) = await daemon.answer(daemon.requests.close([{"port": 80, "protocol": "TCP"}]))
    assert (result["result"], result["detail"]) == (
        "listed",
        "ports.csv lists it: remove or pause the row",
    )
    assert device.open_ports() == {(Protocol.TCP, 80)}


async def test_a_port_that_was_never_requested_is_unknown(daemon: Daemon) -> None:
    """The command then looks at the gateway's own table."""
    (result,) = await daemon.answer(daemon.requests.close([RECORD]))
    assert result["result"] == "unknown"


async def test_a_port_that_the_gateway_does_not_release_is_a_failure(
    daemon: Daemon, device: FakeDevice
) -> None:
    """The daemon keeps trying to release the lease."""
    await daemon.answer(daemon.requests.open([RECORD], Policy()))
    device.hangs = True
    (result,) = await daemon.answer(daemon.requests.close([RECORD]), ANSWER_LIMIT + 0.1)
    assert result["result"] == "failed"


async def test_a_port_that_the_policy_denies_is_a_usage_error(daemon: Daemon) -> None:
    """Nothing is requested from the gateway."""
    policy = Policy((Rule(Action.DENY),))
    with pytest.raises(UsageError):
        await daemon.requests.open([RECORD], policy)
    assert daemon.adhoc.mappings == ()


async def beside_upnp(new_harness: Any, device: FakeDevice, other: FakeDevice) -> Daemon:
    """Start a daemon whose gateway speaks PCP, beside one whose table UPnP can read."""
    harness = new_harness(FakeBackend("pcp", device), FakeBackend("upnp", other, kind=FakeListingGateway))
    await harness.start()
    return Daemon(harness, ())


async def test_a_port_is_closed_with_what_this_host_has_there_besides(
    new_harness: Any, clock: FakeClock, device: FakeDevice
) -> None:
    """Another program, or another protocol, may have opened it too; entries of other hosts stay."""
    other = FakeDevice(clock)
    daemon = await beside_upnp(new_harness, device, other)
    records = [RECORD, {"port": 8081, "protocol": "TCP"}]
    await daemon.answer(daemon.requests.open(records, Policy()))
    other.occupy(Protocol.TCP, 8080, ipaddress.ip_address("192.168.88.10"), 9000)
    other.occupy(Protocol.TCP, 8081, ipaddress.ip_address("192.168.88.11"))
    closed = await daemon.answer(daemon.requests.close(records))
    assert [port["result"] for port in closed] == ["closed", "closed"]
    assert device.open_ports() == set()
    assert other.open_ports() == {(Protocol.TCP, 8081)}


async def test_an_entry_that_stays_open_is_reported(
    new_harness: Any, clock: FakeClock, device: FakeDevice
) -> None:
    """The port must not be reported as closed."""
    other = FakeDevice(clock)
    daemon = await beside_upnp(new_harness, device, other)
    await daemon.answer(daemon.requests.open([RECORD], Policy()))
    other.occupy(Protocol.TCP, 8080, ipaddress.ip_address("192.168.88.10"))
    other.release_error = NotAuthorized("not by you")
    (closed,) = await daemon.answer(daemon.requests.close([RECORD]))
    assert closed["result"] == "failed"
    assert "not by you" in closed["detail"]
