"""Probes that are ended early."""

from __future__ import annotations

import asyncio
import ipaddress

from portmapper.api.backend import Target
from portmapper.testing.clock import FakeClock
from portmapper_pcp.early_end import EndsProbe

TARGET = Target(ipaddress.ip_address("192.168.88.10"), gateway=ipaddress.ip_address("192.168.88.1"))


async def test_a_probe_without_an_answer_ends_when_asked() -> None:
    """After the patience; asking again, or after its end, changes nothing."""
    clock, probes = FakeClock(), EndsProbe()
    with clock.driving(asyncio.get_running_loop()):
        task = asyncio.create_task(probes.within(TARGET, asyncio.sleep(60, "answer")))
        await clock.advance(1)
        probes.end_search(TARGET, 0.5)
        await clock.advance(1)
        assert await task is None
        probes.end_search(TARGET, 0.5)


async def test_a_probe_that_answers_in_time_counts() -> None:
    """Its answer is returned."""
    clock, probes = FakeClock(), EndsProbe()
    with clock.driving(asyncio.get_running_loop()):
        task = asyncio.create_task(probes.within(TARGET, asyncio.sleep(0.1, "answer")))
        await clock.advance(0)
        probes.end_search(TARGET, 0.5)
        await clock.advance(1)
        assert await task == "answer"
