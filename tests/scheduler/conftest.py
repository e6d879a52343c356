"""Fixtures of the scheduler's tests, and a device that confuses the two protocols of a port."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import attrs
import pytest

from portmapper.api.backend import Gateway, GatewayEvent
from portmapper.api.errors import GatewayTimeout
from portmapper.api.events import Event
from portmapper.api.model import Lease, MapRequest, Protocol
from portmapper.observability.publisher import EventPublisher
from portmapper.scheduler.options import Options
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeGateway, FakeListingGateway
from portmapper.testing.fake_device import FakeDevice, Port


class StackingDevice(FakeDevice):
    """A device that keeps the filter rules of an internal port as a stack and ignores their protocol.

    miniupnpd 2.3.1 on nftables does so.

    Attributes:
        stacks: protocols of the filter rules by internal port, the top rule last.
        muted: backends that it does not answer for now.
        unanswered: the number of requests over muted backends.
        restart_unnoticed: it restarted, and only its next answer will show it.
        answer_delays: seconds until the answer for a protocol arrives.
    """

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.stacks: defaultdict[int, list[Protocol]] = defaultdict(list)
        self.muted: set[str] = set()
        self.unanswered = 0
        self.restart_unnoticed = False
        self.answer_delays: defaultdict[Protocol, float] = defaultdict(float)
        self._lock = asyncio.Lock()

    def restart(self, announced: bool = True) -> None:
        """Lose the table and the stacks."""
        self.stacks.clear()
        self.restart_unnoticed = not announced
        super().restart(announced)

    def reachable_ports(self) -> set[Port]:
        """Return the open ports that have a filter rule."""
        return {(protocol, port) for protocol, port in self.open_ports() if protocol in self.stacks[port]}

    async def answer(self) -> None:
        """Take a moment, so that the clock shows which request came first."""
        await asyncio.sleep(0.001)
        await super().answer()

    async def map(self, gateway: Gateway, request: MapRequest) -> Lease:
        """Grant: UPnP leaves the stack of an open port alone, the others replace the top rule."""
        lease = await self._map_and_stack(gateway, request)
        await asyncio.sleep(self.answer_delays[request.protocol])
        return lease

    async def _map_and_stack(self, gateway: Gateway, request: MapRequest) -> Lease:
        port, stack = (request.protocol, request.external_port), self.stacks[request.internal_port]
        async with self._lock:
            self._check_muted(gateway)
            was_open = self.mapping_at(port) is not None
            try:
                return await super().map(gateway, request)
            finally:
                if self.mapping_at(port) is not None and not self.silent:
                    closes_first = gateway.backend != "upnp" or request.recreate
                    if was_open and closes_first:
                        _pop(stack)
                    if not was_open or closes_first:
                        stack.append(request.protocol)
                    self._report_restart()

    async def unmap(self, gateway: Gateway, lease: Lease) -> None:
        """Release, and remove the top rule."""
        async with self._lock:
            self._check_muted(gateway)
            was_open = self.holds(lease)
            await super().unmap(gateway, lease)
            if was_open:
                _pop(self.stacks[lease.internal_port])
            self._report_restart()

    def _check_muted(self, gateway: Gateway) -> None:
        if gateway.backend in self.muted:
            self.unanswered += 1
            raise GatewayTimeout("no answer")

    def _report_restart(self) -> None:
        """Report an unnoticed restart, as an epoch that went back does."""
        if self.restart_unnoticed:
            self.restart_unnoticed = False
            self.announce(GatewayEvent.RESTARTED)


class PcpGateway(FakeGateway):
    """A gateway that identifies a mapping by its internal port alone."""

    def __init__(self, *details: Any) -> None:
        super().__init__(*details)
        self.one_per_internal_port = True


def _pop(stack: list[Protocol]) -> None:
    if stack:
        stack.pop()


def _stacking_backends(device: FakeDevice, kind: str) -> list[FakeBackend]:
    pcp = FakeBackend("pcp", device, kind=PcpGateway)
    natpmp = FakeBackend("natpmp", device, kind=PcpGateway)
    upnp = FakeBackend("upnp", device, kind=FakeListingGateway)
    upnp.server = "Debian/6.1 UPnP/1.1 MiniUPnPd/2.3.1"
    return {"pcp": [pcp], "upnp": [upnp], "both": [pcp, upnp], "all": [pcp, natpmp, upnp]}[kind]


@pytest.fixture
def new_lease() -> Callable[..., Lease]:
    """Make leases of 80/tcp for this host."""
    lease = Lease(
        protocol=Protocol.TCP,
        internal_address=ip_address("192.168.88.10"),
        internal_port=80,
        external_port=80,
        external_address=None,
        lifetime=3600,
        permanent=False,
        backend="pcp",
        gateway="pcp:192.168.88.1",
        token=b"token",
    )
    return partial(attrs.evolve, lease)


@pytest.fixture
def calm(harness: Any) -> Any:
    """A harness whose resyncs are so rare that only renewals are seen."""
    harness.options = Options(interval=10**6)
    return harness


@pytest.fixture(scope="session")
def stacking_device_class() -> type[StackingDevice]:
    """The class of devices that stack filter rules."""
    return StackingDevice


@pytest.fixture(scope="session")
def stacking_backends() -> Callable[[FakeDevice, str], list[FakeBackend]]:
    """Return the backends of one kind for a stacking device."""
    return _stacking_backends


# Golden traces: the requests and events of every scenario, compared with those that were recorded.

TRACES = Path(__file__).with_name("traces.json")
LONGEST_TRACE = 60
"""Lines of a trace that are kept as they are. Of a longer one, the rest is kept as a digest."""


@pytest.fixture(autouse=True)
def trace(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Record the requests and events of a scenario, and compare them with `traces.json`.

    `pytest tests/scheduler -n 0 --update-traces` records them again; the difference belongs in the review.
    """
    lines: list[str] = []
    _record_requests(monkeypatch, lines)
    jitter = request.node.get_closest_marker("jitter") is not None
    if not jitter:
        monkeypatch.setattr("random.uniform", lambda low, high: (low + high) / 2)
    yield lines
    scenario = "harness" in request.fixturenames or "new_harness" in request.fixturenames
    if scenario and not jitter and "hypothesis" not in request.keywords:
        _compare(request, [*lines[:LONGEST_TRACE], *_digest(lines[LONGEST_TRACE:])])


def _record_requests(monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    ask, release, publish = FakeDevice.map, FakeDevice.unmap, EventPublisher.publish

    async def traced_map(device: FakeDevice, gateway: Gateway, request: MapRequest) -> Lease:
        held = "renew" if request.held else "open"
        ports = f"{request.external_port}->{request.internal_address}:{request.internal_port}"
        lines.append(f"{gateway.identity} {held} {request.protocol} {ports} for {request.lifetime}")
        return await ask(device, gateway, request)

    async def traced_unmap(device: FakeDevice, gateway: Gateway, lease: Lease) -> None:
        lines.append(f"{gateway.identity} close {lease.protocol} {lease.external_port}")
        await release(device, gateway, lease)

    def traced_publish(publisher: EventPublisher, event: Event) -> None:
        lines.append(f"event {event.kind} {event.protocol} {event.external_port} {event.gateway}")
        publish(publisher, event)

    monkeypatch.setattr(FakeDevice, "map", traced_map)
    monkeypatch.setattr(FakeDevice, "unmap", traced_unmap)
    monkeypatch.setattr(EventPublisher, "publish", traced_publish)


def _digest(rest: list[str]) -> list[str]:
    if not rest:
        return []
    # Thousands of requests are under way at once: their order means nothing.
    return [f"and {len(rest)} more: {hashlib.sha256(chr(10).join(sorted(rest)).encode()).hexdigest()[:16]}"]


def _compare(request: pytest.FixtureRequest, lines: list[str]) -> None:
    name = f"{request.path.stem}::{request.node.name}"
    golden = json.loads(TRACES.read_text(encoding="utf-8")) if TRACES.exists() else {}
    if request.config.getoption("--update-traces"):
        text = json.dumps({**golden, name: lines}, indent=0, sort_keys=True)
        TRACES.write_text(f"{text}\n", encoding="utf-8")
    elif name in golden:
        assert "\n".join(lines) == "\n".join(golden[name]), "the requests or events of this scenario changed"
