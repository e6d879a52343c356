"""Work queues run every step, and at most as many at once as the gateway handles."""

from __future__ import annotations

import asyncio
import ipaddress
from functools import partial

import pytest

from portmapper.gateways.workqueue import Priority, WorkQueues
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeGateway
from portmapper.testing.fake_device import FakeDevice

LOCAL = ipaddress.ip_address("192.168.88.10")


async def test_a_step_submitted_as_the_last_worker_ends_is_run(clock: FakeClock, device: FakeDevice) -> None:
    """It is submitted in the loop iteration in which the worker has ended but its callback has not run."""
    gateway = FakeGateway(device, "upnp", LOCAL)
    gateway.concurrency = 1
    queues, ran = WorkQueues(lambda: None), asyncio.Event()

    async def second() -> None:
        ran.set()

    async def first() -> None:
        asyncio.get_running_loop().call_soon(queues.submit, gateway, second)

    queues.submit(gateway, first)
    await clock.advance(1)
    assert ran.is_set()
    assert not queues.busy


async def test_the_number_of_concurrent_steps_is_limited(clock: FakeClock, device: FakeDevice) -> None:
    """All steps run in the end."""
    gateway = FakeGateway(device, "upnp", LOCAL)
    queues, running, most, done = WorkQueues(lambda: None), 0, 0, 0

    async def step() -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        await asyncio.sleep(1)
        running -= 1
        done += 1

    for _ in range(10):
        queues.submit(gateway, step)
    await clock.advance(5)
    assert (done, most) == (10, gateway.concurrency)


async def test_a_failed_step_does_not_stop_the_queue(
    clock: FakeClock, device: FakeDevice, caplog: pytest.LogCaptureFixture
) -> None:
    """The exception is logged, and `idle` is called after the last step."""
    idle: list[None] = []
    queues, ran = WorkQueues(lambda: idle.append(None)), asyncio.Event()

    async def fail() -> None:
        raise ZeroDivisionError("a bug")

    async def succeed() -> None:
        ran.set()

    gateway = FakeGateway(device, "upnp", LOCAL)
    gateway.concurrency = 1
    queues.submit(gateway, fail)
    queues.submit(gateway, succeed)
    assert queues.busy
    await clock.advance(1)
    assert ran.is_set()
    assert len(idle) == 1
    assert "a request to a gateway failed" in caplog.text


async def test_stopping_cancels_running_steps_and_discards_waiting_ones(
    clock: FakeClock, device: FakeDevice
) -> None:
    """No step starts afterwards."""
    queues, canceled, started = WorkQueues(lambda: None), asyncio.Event(), 0

    async def hang() -> None:
        nonlocal started
        started += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            canceled.set()
            raise

    gateway = FakeGateway(device, "upnp", LOCAL)
    gateway.concurrency = 1
    queues.submit(gateway, hang)
    queues.submit(gateway, hang)
    await clock.advance(1)
    await queues.stop()
    await clock.advance(1)
    assert canceled.is_set()
    assert (started, queues.busy) == (1, False)


async def test_an_urgent_step_overtakes_a_crowd(clock: FakeClock, device: FakeDevice) -> None:
    """It waits only for the step that runs."""
    gateway = FakeGateway(device, "upnp", LOCAL)
    gateway.concurrency = 1
    queues, order = WorkQueues(lambda: None), list[Priority]()
    for _ in range(100):
        queues.submit(gateway, partial(_run, order, Priority.OPEN), Priority.OPEN)
    await clock.advance(3)
    queues.submit(gateway, partial(_run, order, Priority.RENEW), Priority.RENEW)
    before = len(order)
    await clock.advance(2)
    assert order[before : before + 2].count(Priority.RENEW) == 1


async def test_no_class_starves(clock: FakeClock, device: FakeDevice) -> None:
    """Each class with work gets its share, however much there is of the others."""
    gateway = FakeGateway(device, "upnp", LOCAL)
    gateway.concurrency = 1
    queues, order = WorkQueues(lambda: None), list[Priority]()
    for priority in Priority:
        for _ in range(300):
            queues.submit(gateway, partial(_run, order, priority), priority)
    await clock.advance(sum(Priority))
    for priority in Priority:
        assert priority - 2 <= order.count(priority) <= priority + 2


async def _run(order: list[Priority], priority: Priority) -> None:
    await asyncio.sleep(1)
    order.append(priority)
