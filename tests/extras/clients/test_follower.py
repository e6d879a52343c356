"""Attempts, delays and refusals, with a client that exists only in the test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from portmapper_clients import follower
from portmapper_clients.errors import LoginRefused, reason_of
from portmapper_clients.follower import Client, Follower
from portmapper_clients.plex import PlexObserver

from portmapper.api import EventKind
from portmapper.testing import ObserverContract, ObserverSubject


class Fake(Client):
    """A client in memory."""

    def __init__(self) -> None:
        self.ports = [1]
        self.stuck = False
        self.hold = threading.Event()
        self.hold.set()

    def port(self) -> int:
        """Return the port."""
        self.hold.wait(60)
        return self.ports[-1]

    def set_port(self, port: int) -> None:
        """Set the port, unless it is stuck."""
        if not self.stuck:
            self.ports.append(port)


class FakeFollower(Follower):
    """An observer of the client in memory."""

    name = "fake"

    def __init__(self) -> None:
        super().__init__("here", "torrents", "secret", None)
        self.client = Fake()
        self.connections = 0
        self.failure: Exception | None = None

    def connect(self, secret: str) -> Client:
        """Return the client, or fail."""
        self.connections += 1
        if self.failure is not None:
            raise self.failure
        return self.client


@pytest.fixture
async def fake(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeFollower]:
    """The observer, with short delays."""
    for name in ("FIRST_DELAY", "MAX_DELAY", "CHECK_SECONDS", "READ_PAUSE"):
        monkeypatch.setattr(follower, name, 0.01)
    observer = FakeFollower()
    yield observer
    observer.client.hold.set()
    await observer.close()


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition is true."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_client_that_loses_the_port_gets_it_again(fake: FakeFollower, granted: Any) -> None:
    """It may have restarted with its old settings."""
    await fake.observe(granted(40001))
    await until(lambda: fake.client.ports == [1, 40001])
    fake.client.ports.append(1)
    await until(lambda: fake.client.ports == [1, 40001, 1, 40001])


async def test_a_closed_mapping_changes_nothing(fake: FakeFollower, granted: Any) -> None:
    """The port from before is not restored, because another program may have set it."""
    await fake.observe(granted(40001))
    await until(lambda: fake.client.ports == [1, 40001])
    await fake.observe(granted(40001, kind=EventKind.CLOSED))
    fake.client.ports.append(7)
    await asyncio.sleep(0.05)
    assert fake.client.ports == [1, 40001, 7]


async def test_a_port_that_is_not_in_use_afterwards_is_reported(
    fake: FakeFollower, granted: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The client may accept a port on which it cannot listen."""
    fake.client.stuck = True
    await fake.observe(granted(40001))
    await until(lambda: caplog.records)
    assert "here accepted port 40001, but uses 1" in caplog.text
    fake.client.stuck = False
    await until(lambda: fake.client.ports == [1, 40001])


async def test_a_refused_login_is_repeated_only_for_new_ports(
    fake: FakeFollower, granted: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """With one password, there are at most three attempts."""
    fake.failure = LoginRefused("here refused username and password")
    for attempts in range(1, 10):
        await fake.observe(granted(40000 + attempts))
        await until(lambda attempts=attempts: fake.connections >= min(attempts, follower.MAX_REFUSALS))
        await asyncio.sleep(0.03)
    assert fake.connections == follower.MAX_REFUSALS
    assert len(caplog.records) == 1


async def test_the_latest_port_wins_over_a_slow_call(
    fake: FakeFollower, granted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that is late never sets the port of an earlier grant."""
    monkeypatch.setattr(follower, "ATTEMPT_SECONDS", 0.05)
    fake.client.hold.clear()
    await fake.observe(granted(40001))
    await asyncio.sleep(0.1)
    await fake.observe(granted(40002))
    fake.client.hold.set()
    await until(lambda: fake.client.ports[-1] == 40002)
    assert 40001 not in fake.client.ports


def test_the_reason_of_the_system_is_found_below_several_layers() -> None:
    """Libraries put it into arguments and attributes of their own exceptions."""
    refused = ConnectionRefusedError(111, "Connection refused")
    assert reason_of(ValueError(RuntimeError(refused))) == "connection refused"
    assert reason_of(ValueError("x")) == "no valid answer"
    assert reason_of(RuntimeError(TimeoutError())) == "no answer in time"


class TestContract(ObserverContract):
    """An observer without settings."""

    @pytest.fixture
    def subject(self) -> ObserverSubject:
        """Return the observer for Plex."""
        return ObserverSubject(PlexObserver())
