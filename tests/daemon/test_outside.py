"""The daemon's checks from outside: off without a URL, at a low rate, oldest first."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from status_documents import mapping

from portmapper.api.events import Event, EventKind
from portmapper.config.schema import ProbeSettings
from portmapper.daemon.outside import MAX_PORTS, MIN_GAP, OutsideCheck
from portmapper.network.host import Network
from portmapper.probe.evidence import Cause, OpenPort, State, Verdict
from portmapper.probe.exchange import ProbeServer
from portmapper.testing.clock import FakeClock

SEEN = ip_address("203.0.113.7")
SERVER = ip_address("198.51.100.7")
YES = Verdict(State.YES, Cause.ANSWERED, "the program on 8080/tcp answers", SERVER, SEEN)
URL = ProbeSettings("http://198.51.100.7:9700", interval=600)


class Checks:
    """Records what is checked, and answers."""

    def __init__(self) -> None:
        self.calls: list[tuple[ProbeServer, list[OpenPort]]] = []
        self.verdict = YES
        self.meanwhile: Callable[[], None] = lambda: None

    async def __call__(self, server: ProbeServer, ports: list[OpenPort]) -> Any:
        """Answer each port with the same verdict."""
        self.calls.append((server, ports))
        self.meanwhile()
        return [(port, self.verdict) for port in ports]


def outside(checks: Checks, settings: ProbeSettings = URL, clock: FakeClock | None = None) -> OutsideCheck:
    """Return the checks of a daemon without interfaces."""
    return OutsideCheck(lambda: settings, lambda: Network((), ()), clock or FakeClock(), checks)


def document(*mappings: dict[str, Any]) -> dict[str, Any]:
    """Return a status document."""
    return {"mappings": list(mappings)}


async def test_a_result_is_in_the_status() -> None:
    """The keys are a contract."""
    checks = Checks()
    check = outside(checks)
    open_mapping, pending = mapping(), mapping(9000, state="pending", external_port=None)
    before = document({**open_mapping, "reachable": None}, {**pending, "reachable": None})
    assert check.annotated(before) == {**before, "probe": None}
    await check.round(before["mappings"])
    after = check.annotated(before)
    reachable = after["mappings"][0]["reachable"]
    assert datetime.fromisoformat(reachable.pop("at")).tzinfo is not None
    assert reachable == {"state": "yes", "seen_from": "198.51.100.7", "reason": YES.reason}
    assert after["mappings"][1]["reachable"] is None
    assert after["probe"]["external_address"] == "203.0.113.7"
    json.dumps(after)


async def test_a_port_that_moved_has_no_result() -> None:
    """An old result does not speak for another external port."""
    check = outside(Checks())
    await check.round([mapping()])
    moved = document({**mapping(external_port=9999), "reachable": None})
    assert check.annotated(moved)["mappings"][0]["reachable"] is None


async def test_only_ports_that_are_open_to_everyone_are_checked() -> None:
    """A mapping for some hosts refuses the probe server."""
    checks = Checks()
    await outside(checks).round([mapping(), mapping(81, remote="192.0.2.0/24"), mapping(82, state="paused")])
    assert [port.port for port in checks.calls[0][1]] == [8080]


async def test_the_oldest_results_come_first() -> None:
    """A long list takes several rounds."""
    checks = Checks()
    check = outside(checks)
    mappings = [mapping(1000 + number) for number in range(MAX_PORTS + 10)]
    await check.round(mappings)
    await check.round(mappings)
    first, second = ([port.port for port in ports] for _, ports in checks.calls)
    assert first == [1000 + number for number in range(MAX_PORTS)]
    assert second[:10] == [1000 + MAX_PORTS + number for number in range(10)]


async def test_an_unreadable_token_is_the_reason(tmp_path: Path) -> None:
    """No server is asked."""
    checks = Checks()
    settings = ProbeSettings(URL.url, str(tmp_path / "missing"))
    check = outside(checks, settings)
    await check.round([mapping()])
    reachable = check.annotated(document(mapping()))["mappings"][0]["reachable"]
    assert checks.calls == []
    assert reachable["state"] == "unknown"
    assert "missing" in reachable["reason"]


def opened() -> Event:
    """Return the event of an opened port."""
    return Event(at=datetime.now(UTC), kind=EventKind.OPENED)


@pytest.fixture
async def clock() -> AsyncIterator[FakeClock]:
    """A clock that drives the event loop."""
    made = FakeClock()
    with made.driving(asyncio.get_running_loop()):
        yield made


async def running(
    check: OutsideCheck, mappings: list[dict[str, Any]]
) -> tuple[asyncio.Task[None], list[Callable[[Event], None]]]:
    """Run the checks in a task; return it with the listeners for events."""
    listeners: list[Callable[[Event], None]] = []

    def listen(listener: Callable[[Event], None]) -> Callable[[], None]:
        listeners.append(listener)
        return listeners.clear

    return asyncio.create_task(check.run(lambda: document(*mappings), listen)), listeners


async def settle() -> None:
    """Let all tasks run as far as they can without time."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_checks_run_at_the_interval_and_soon_after_a_port_was_opened(clock: FakeClock) -> None:
    """However often ports are opened, at least 30 seconds are between two rounds."""
    checks = Checks()
    task, listeners = await running(outside(checks, clock=clock), [mapping()])
    await settle()
    assert checks.calls == []
    await clock.advance(3)
    await settle()
    assert len(checks.calls) == 1
    for _ in range(5):
        listeners[0](opened())
        await clock.advance(1)
        await settle()
    assert len(checks.calls) == 1
    await clock.advance(MIN_GAP)
    await settle()
    assert len(checks.calls) == 2
    await clock.advance(URL.interval * 0.8)
    await settle()
    assert len(checks.calls) == 2
    await clock.advance(URL.interval * 0.4)
    await settle()
    assert len(checks.calls) == 3
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert listeners == []


async def test_a_port_that_is_opened_during_a_round_is_checked_soon_after_it(clock: FakeClock) -> None:
    """It does not wait for the interval."""
    checks, mappings = Checks(), [mapping()]
    task, listeners = await running(outside(checks, clock=clock), mappings)

    def open_another() -> None:
        checks.meanwhile = lambda: None
        mappings.append(mapping(8081))
        listeners[0](opened())

    checks.meanwhile = open_another
    await settle()
    await clock.advance(3)
    await settle()
    await clock.advance(MIN_GAP)
    await settle()
    assert [[port.port for port in ports] for _, ports in checks.calls] == [[8080], [8081, 8080]]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_without_a_url_nothing_is_sent(clock: FakeClock) -> None:
    """A reload with a URL starts the checks."""
    checks = Checks()
    current = [ProbeSettings()]
    check = OutsideCheck(lambda: current[0], lambda: Network((), ()), clock, checks)
    task, listeners = await running(check, [mapping()])
    await clock.advance(10_000)
    listeners[0](opened())
    await settle()
    assert checks.calls == []
    current[0] = URL
    check.soon()
    await settle()
    await clock.advance(3)
    await settle()
    assert len(checks.calls) == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_new_verdict_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """The same verdict again is no news."""
    checks = Checks()
    check = outside(checks)
    checks.verdict = Verdict(State.NO, Cause.HOST_FIREWALL, "the firewall of this host drops it")
    await check.round([mapping()])
    await check.round([mapping()])
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "8080/tcp is not reachable from outside: the firewall" in caplog.text
