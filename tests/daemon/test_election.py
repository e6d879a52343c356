"""The daemon acts only while its guard allows it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from portmapper.api.errors import LeadershipLost, NotLeading, UsageError
from portmapper.api.guard import Guard
from portmapper.daemon.election import Election, Role
from portmapper.support.send_gate import behind, changing, check_before_sending


class Switched(Guard):
    """A guard that a test switches."""

    name = "switched"
    release_margin = 1.0

    def __init__(self) -> None:
        super().__init__()
        self.left = 0.0
        self.error: Exception | None = None

    async def run(self) -> None:
        """Do nothing; the test sets the events."""
        if self.error:
            raise self.error
        await asyncio.Event().wait()

    def may_act(self, margin: float = 0.0) -> bool:
        """Return whether more time than the margin is left."""
        if self.error:
            raise self.error
        return self.left > margin

    @property
    def leader(self) -> str | None:
        """Return a name that could harm a terminal."""
        return "node-b\x1b[2J"


@asynccontextmanager
async def running(election: Election) -> AsyncIterator[None]:
    """Take part in the election inside the block."""
    task = asyncio.create_task(election.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: object) -> None:
    """Wait until a function returns true."""
    async with asyncio.timeout(60):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0)


def test_a_daemon_without_a_guard_is_alone() -> None:
    """It always may act, and nothing asks."""
    election = Election(None, lambda: None)
    assert (election.role, election.leader, election.gate, election.standing) == (Role.ALONE, None, None, "")


async def test_a_daemon_with_a_guard_is_on_standby_until_it_leads() -> None:
    """Commands that would change a gateway are refused, and the leader's name is safe to show."""
    guard, led = Switched(), asyncio.Event()
    election = Election(guard, lambda: None)
    election.on_leading = led.set
    async with running(election):
        assert election.role is Role.STANDBY
        assert election.standing == "standby; node-b\\x1b[2J leads"
        with pytest.raises(UsageError, match="is on standby; node-b"):
            election.refuse_on_standby()
        guard.left = 5.0
        guard.leading.set()
        await asyncio.wait_for(led.wait(), 60)
        assert election.role is Role.LEADER
        assert not election.standing
        election.refuse_on_standby()


async def test_a_leader_that_loses_stops_the_daemon_once() -> None:
    """The error has exit status 5."""
    guard, stops = Switched(), list[None]()
    election = Election(guard, lambda: stops.append(None))
    guard.leading.set()
    async with running(election):
        await until(lambda: election.role is Role.LEADER)
        guard.lost.set()
        await until(lambda: stops)
    election.lose()
    assert len(stops) == 1
    assert election.role is Role.STANDBY
    with pytest.raises(LeadershipLost, match="no port is closed"):
        election.check_end()


async def test_a_guard_that_fails_stops_a_leader_and_not_a_follower() -> None:
    """The follower's failure is raised, so that the supervisor runs it again."""
    guard, stops = Switched(), list[None]()
    election = Election(guard, lambda: stops.append(None))
    guard.error = ValueError("nonsense")
    with pytest.raises(Exception, match="the guard switched is broken"):
        await election.run()
    assert not stops
    guard.leading.set()
    await election.run()
    assert stops


async def test_a_packet_is_refused_when_the_time_is_over() -> None:
    """The guard's own timers may be late; the first packet that is refused stops the daemon."""
    guard, stops = Switched(), list[None]()
    election = Election(guard, lambda: stops.append(None))
    guard.leading.set()
    with behind(election.gate):
        check_before_sending()  # a query is never refused
        guard.left = 0.5
        with changing(closes=False):
            check_before_sending()
        with changing(closes=True), pytest.raises(NotLeading):
            check_before_sending()  # the margin for a release is missing
        assert not stops
        guard.left = 0.0
        with changing(closes=False), pytest.raises(NotLeading):
            check_before_sending()
    assert stops


async def test_a_leader_still_leads_while_it_closes_its_ports() -> None:
    """The guard renews its leadership until `close`, which hands it over."""
    guard, began, ended = Switched(), asyncio.Event(), list[str]()
    election = Election(guard, lambda: None)

    async def keep(part: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        began.set()
        try:
            await run()
        finally:
            ended.append(part)

    guard.leading.set()
    election.start(keep)
    await asyncio.wait_for(began.wait(), 60)
    assert election.role is Role.LEADER
    assert not ended
    await election.close()
    assert ended == ["guard"]
    assert guard.lost.is_set()
    assert not election.lost
