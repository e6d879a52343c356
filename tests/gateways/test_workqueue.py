"""Queues of work towards gateways: every step is run, and no more at once than a gateway bears."""

from __future__ import annotations

import asyncio
import ipaddress

from portmapper.gateways.workqueue import WorkQueues
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeGateway
from portmapper.testing.fake_device import FakeDevice

LOCAL = ipaddress.ip_address("192.168.88.10")


async def test_a_step_that_comes_as_the_last_worker_ends_is_run(clock: FakeClock, device: FakeDevice) -> None:
    """In the very round of the loop in which the worker has ended and nobody has been told of it yet."""
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


async def test_no_more_steps_run_at_once_than_the_gateway_bears(clock: FakeClock, device: FakeDevice) -> None:
    """And all are run in the end."""
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
