"""The contract of guards: tests that every guard must pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from portmapper.api.errors import PortmapperError
from portmapper.testing.calls import LONG, SOON, check_name, leaving_nothing, outcome, switch, until
from portmapper.testing.subjects import GuardSubject

MAX_NAME = 200


class GuardContract:
    """Tests of a guard. Override the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> GuardSubject:
        """Return the guard, and functions that give it the lead and take it away."""
        raise NotImplementedError("override the fixture `subject` in your class")

    def test_it_has_a_name(self, subject: GuardSubject) -> None:
        """It is the scheme of `--lead-with`, and the extra margin is not negative."""
        check_name(subject.guard.name)
        assert ":" not in subject.guard.name
        assert subject.guard.release_margin >= 0

    @pytest.mark.asyncio
    async def test_a_new_guard_does_not_lead(self, subject: GuardSubject) -> None:
        """It may not act before it has won an election, and not while another daemon leads."""
        assert subject.guard.may_act() is False
        async with running(subject):
            await asyncio.sleep(0.2)
            assert not subject.guard.leading.is_set()
            assert subject.guard.may_act() is False

    @pytest.mark.asyncio
    async def test_it_leads_once_it_can(self, subject: GuardSubject) -> None:
        """It may act then, also with its extra margin for a release, but not for ever."""
        async with running(subject):
            await lead(subject)
            assert not subject.guard.lost.is_set()
            await until(lambda: subject.guard.may_act(subject.guard.release_margin), "it may not release")
            assert subject.guard.leader is None or 0 < len(subject.guard.leader) <= MAX_NAME

    @pytest.mark.asyncio
    async def test_it_notices_that_it_lost(self, subject: GuardSubject) -> None:
        """It may not act from then on, and never leads again."""
        async with running(subject):
            await lead(subject)
            await switch(subject.lose)
            await until(subject.guard.lost.is_set, "the guard did not notice that it no longer leads")
            assert subject.guard.may_act() is False
            await switch(subject.lead)
            await asyncio.sleep(0.2)
            assert subject.guard.may_act() is False

    @pytest.mark.asyncio
    async def test_it_does_not_act_once_it_ended(self, subject: GuardSubject) -> None:
        """Another daemon may lead as soon as this one has handed its leadership over."""
        async with running(subject):
            await lead(subject)
        assert subject.guard.may_act() is False

    @pytest.mark.asyncio
    async def test_nothing_is_left_open(self, subject: GuardSubject) -> None:
        """After it was canceled and closed, no file descriptor and no task is left."""
        async with leaving_nothing(), running(subject):
            await lead(subject)


async def lead(subject: GuardSubject) -> None:
    """Let the guard win the election."""
    await switch(subject.lead)
    answer = await outcome(subject.guard.wait_until_leading(), PortmapperError, LONG)
    assert answer is None, f"the guard does not lead: {answer}"
    await until(subject.guard.may_act, "the guard leads, but it may not act")


@asynccontextmanager
async def running(subject: GuardSubject) -> AsyncIterator[None]:
    """Take part in the election; cancel it and close the guard twice at the end of the block."""
    task = asyncio.ensure_future(subject.guard.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=SOON)
        assert task.done(), "the guard did not end after it was canceled"
        for _ in range(2):
            await outcome(subject.guard.close(), PortmapperError, LONG)
