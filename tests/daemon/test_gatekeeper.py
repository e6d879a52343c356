"""The daemon decides again when a verdict changes by itself."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from portmapper.api.model import Mapping, MappingState, Protocol
from portmapper.daemon.gatekeeper import Gatekeeper
from portmapper.sources.gates import PASS, Verdict
from portmapper.testing.clock import FakeClock

WEB = Mapping(Protocol.TCP, 8080, 80, comment="web", source="ports.csv")


class Until:
    """A gate that holds back all mappings until a time."""

    def __init__(self, time: datetime | None) -> None:
        self.time = time

    def __call__(self, mapping: Mapping, now: datetime) -> Verdict:
        """Decide about one mapping."""
        if self.time is not None and now < self.time:
            return Verdict(MappingState.WAITING, "waits", self.time)
        return PASS


async def test_a_mapping_opens_at_its_time() -> None:
    """Also if the wall clock was set meanwhile."""
    clock = FakeClock()
    decided: list[list[Mapping]] = []
    gate = Until(clock.now() + timedelta(hours=1))
    keeper = Gatekeeper([gate], clock, lambda: decided.append(list(keeper.desired([WEB]))))
    with clock.driving(asyncio.get_running_loop()):
        task = asyncio.create_task(keeper.run())
        keeper.desired([WEB])
        await clock.advance(3590)
        assert decided == []
        await clock.advance(60)
        assert decided == [[WEB]]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
