"""The guard `etcd` with a real etcd."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from etcd_server import Server
from portmapper_etcd.guard import LIFETIME, EtcdGuard
from portmapper_etcd.location import parse_location

from portmapper.api import UsageError
from portmapper.testing import GuardContract, GuardSubject

KEY = "portmapper/leader"


class TestContract(GuardContract):
    """Another daemon holds the key at first."""

    @pytest.fixture
    async def subject(self, etcd: Server) -> GuardSubject:
        """Return the guard, and functions that delete the key and give it to another daemon."""
        await etcd.put(KEY, "node-b")

        async def lead() -> None:
            await etcd.delete(KEY)

        async def lose() -> None:
            await etcd.delete(KEY)
            await etcd.put(KEY, "node-b")

        return GuardSubject(EtcdGuard(f"{etcd.url}/{KEY}"), lead, lose)


@asynccontextmanager
async def taking_part(guard: EtcdGuard, *, hand_over: bool = True) -> AsyncIterator[None]:
    """Take part in the election inside the block."""
    task = asyncio.create_task(guard.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if not hand_over:
            guard._lease = 0  # as after a crash
        await guard.close()


async def within(seconds: float, condition: Callable[[], object]) -> float:
    """Wait for a condition and return how long it took."""
    now = asyncio.get_running_loop().time
    began = now()
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
    return now() - began


async def test_two_daemons_never_lead_at_once(etcd: Server) -> None:
    """The second one leads after the first one has crashed, and only when its lease is over."""
    now = asyncio.get_running_loop().time
    first, second = EtcdGuard(f"{etcd.url}/{KEY}", now), EtcdGuard(f"{etcd.url}/{KEY}", now)
    async with taking_part(second):
        async with taking_part(first, hand_over=False):
            leader, follower = first, second
            await within(60, lambda: first.leading.is_set() or second.leading.is_set())
            if second.leading.is_set():
                leader, follower = second, first
            await asyncio.sleep(LIFETIME + 1)  # the lease is renewed meanwhile
            assert leader.may_act(leader.release_margin)
            assert not follower.may_act()
            assert follower.leader == leader.leader
        if leader is first:
            print(f"a crash: {await within(60, second.may_act):.2f} s")


async def test_an_orderly_stop_hands_over_at_once(etcd: Server) -> None:
    """The lease is revoked, so the next daemon need not wait for its end."""
    first, second = EtcdGuard(f"{etcd.url}/{KEY}"), EtcdGuard(f"{etcd.url}/{KEY}")
    async with taking_part(first):
        await within(60, first.may_act)
        task = asyncio.create_task(second.run())
        await asyncio.sleep(0.2)
    print(f"an orderly stop: {await within(60, second.may_act):.2f} s")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await second.close()


async def test_a_leader_without_etcd_stops_before_its_lease_ends(etcd: Server) -> None:
    """Until then, it may act: a short outage has no effect."""
    guard = EtcdGuard(f"{etcd.url}/{KEY}", asyncio.get_running_loop().time)
    async with taking_part(guard):
        await within(60, guard.may_act)
        etcd.suspend()
        took = await within(60, lambda: not guard.may_act())
        assert took <= LIFETIME
        await within(60, guard.lost.is_set)


async def test_a_suspended_leader_may_not_act(etcd: Server) -> None:
    """The clock tells, before any timer runs."""
    late = 0.0
    guard = EtcdGuard(f"{etcd.url}/{KEY}", lambda: time.monotonic() + late)
    async with taking_part(guard):
        await within(60, guard.may_act)
        late = 10.0
        assert not guard.may_act()


@pytest.mark.parametrize(
    "text", ["", "127.0.0.1:2379/x", "ftp://h/x", "http://h", "http://h:x/y", "http:///x"]
)
def test_an_invalid_location_is_a_usage_error(text: str) -> None:
    """The message has an example."""
    with pytest.raises(UsageError, match="write etcd:http://HOST:PORT/NAME"):
        EtcdGuard(text)


def test_a_location_may_have_a_password_which_is_never_shown() -> None:
    """The slash after the port does not belong to the key."""
    location = parse_location("https://me:se%40cret@[::1]:2379//ports/")
    assert (location.base, location.key) == ("https://[::1]:2379", "/ports/")
    assert (location.user, location.password) == ("me", "se@cret")
    assert "cret" not in repr(location)
