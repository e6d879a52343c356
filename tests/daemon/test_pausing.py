"""Pausing rows of a list: they close, stay closed across restarts, and open again on resume."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from portmapper.api.errors import UsageError
from portmapper.api.model import Protocol
from portmapper.api.source import FormatOptions
from portmapper.daemon.answers import ANSWER_LIMIT
from portmapper.daemon.daemon import Daemon
from portmapper.daemon.options import RunOptions
from portmapper.daemon.reloadable import Reloadable
from portmapper.sources.inline import InlineSource
from portmapper.sources.reader import AUTO, SourceReader
from portmapper.store.leases import Store
from portmapper.support.clock import Clock
from portmapper.testing.fake_backend import FakeBackend
from portmapper.testing.fake_device import FakeDevice

WEB = {"port": 8080, "protocol": "TCP"}
MAIL = {"port": 25, "protocol": "TCP"}
ANY = {"port": "any", "protocol": "UDP", "internal_port": 6881}

Running = Callable[..., AbstractAsyncContextManager[Daemon]]


def states(daemon: Daemon) -> dict[int, str]:
    """Return the state of each port in the status document."""
    return {m["wanted_external_port"]: m["state"] for m in daemon.status()["mappings"]}


def result_of(answer: dict[str, Any]) -> str:
    """Return the result of a request for one port."""
    (port,) = answer["ports"]
    return str(port["result"])


@pytest.fixture
def device() -> FakeDevice:
    """A gateway on the real clock."""
    return FakeDevice(Clock())


@pytest.fixture
def store() -> Iterator[Store]:
    """A store in memory."""
    store = Store(None)
    yield store
    store.close()


@pytest.fixture
def running(device: FakeDevice, store: Store) -> Running:
    """Run a daemon with these rows inside a block, until they are all open or held back."""

    @asynccontextmanager
    async def running(*rows: dict[str, Any], **options: Any) -> AsyncIterator[Daemon]:
        reader = SourceReader(InlineSource("settings", rows), (), AUTO, FormatOptions())
        run_options = RunOptions(chosen=("127.0.0.1",), **options)
        daemon = Daemon(run_options, [FakeBackend("pcp", device)], Reloadable([reader]), store)
        task = asyncio.create_task(daemon.run())
        async with asyncio.timeout(60):
            while len(states(daemon)) < len(rows) or "pending" in states(daemon).values():
                await asyncio.sleep(0.005)
        try:
            yield daemon
        finally:
            daemon.stop()
            await task

    return running


async def test_a_paused_row_is_closed_and_shown_as_paused(running: Running, device: FakeDevice) -> None:
    """The other rows stay open."""
    async with running(WEB, MAIL) as daemon:
        assert result_of(await daemon.pause([WEB])) == "paused"
        assert device.open_ports() == {(Protocol.TCP, 25)}
        assert states(daemon) == {25: "active", 8080: "paused"}
        (paused,) = (m for m in daemon.status()["mappings"] if m["state"] == "paused")
        assert "portmapper resume 8080/tcp" in paused["error"]


async def test_a_pause_lasts_across_a_restart_until_it_is_resumed(
    running: Running, device: FakeDevice
) -> None:
    """Resume answers when the port is open."""
    async with running(WEB) as daemon:
        await daemon.pause([WEB])
    async with running(WEB) as daemon:
        assert (states(daemon), device.open_ports()) == ({8080: "paused"}, set())
        assert result_of(await daemon.resume([WEB])) == "resumed"
        assert states(daemon) == {8080: "active"}


async def test_resume_does_not_wait_longer_than_opening_takes(running: Running) -> None:
    """The limit is for gateways that do not answer."""
    async with running(WEB) as daemon:
        await daemon.pause([WEB])
        async with asyncio.timeout(ANSWER_LIMIT / 2):
            await daemon.resume([WEB])


async def test_a_pass_does_not_open_a_paused_row(running: Running, device: FakeDevice, store: Store) -> None:
    """A pass that an earlier daemon's user paused keeps to it."""
    async with running(WEB) as daemon:
        await daemon.pause([WEB])
    async with running(WEB, oneshot=True) as daemon:
        pass
    assert device.open_ports() == set()


async def test_a_pause_and_its_end_are_in_the_journal(running: Running, store: Store) -> None:
    """With the port; a second pause adds nothing."""
    async with running(WEB) as daemon:
        await daemon.pause([WEB])
        await daemon.pause([WEB])
        await daemon.resume([WEB])
    kinds = [event["event"] for event in store.history(100)]
    assert kinds.count("paused") == kinds.count("resumed") == 1


async def test_a_row_for_any_port_is_paused_by_its_granted_or_internal_port(running: Running) -> None:
    """`status` shows the granted port; the list has only the internal one."""
    async with running(ANY) as daemon:
        (mapping,) = daemon.status()["mappings"]
        granted = {"port": mapping["external_port"], "protocol": "UDP"}
        assert result_of(await daemon.pause([granted])) == "paused"
        assert states(daemon) == {0: "paused"}
        assert result_of(await daemon.resume([{"port": 6881, "protocol": "UDP"}])) == "resumed"
        assert states(daemon) == {0: "active"}


async def test_what_no_list_has_cannot_be_paused(running: Running, device: FakeDevice) -> None:
    """The answer names the command that closes it."""
    async with running(MAIL) as daemon:
        assert result_of(await daemon.pause([WEB])) == "unknown"
        await daemon.open([WEB])
        (answer,) = (await daemon.pause([WEB]))["ports"]
        assert answer["result"] == "unknown"
        assert "portmapper close" in answer["detail"]
        assert (Protocol.TCP, 8080) in device.open_ports()


async def test_open_of_a_paused_row_answers_that_it_is_paused(running: Running) -> None:
    """A request does not end the pause."""
    async with running(WEB) as daemon:
        await daemon.pause([WEB])
        (mapping,) = (await daemon.open([WEB]))["mappings"]
        assert mapping["state"] == "paused"


async def test_a_row_that_is_not_paused_cannot_be_resumed(running: Running) -> None:
    """Nothing changes."""
    async with running(WEB) as daemon:
        assert result_of(await daemon.resume([WEB])) == "not_paused"
        assert states(daemon) == {8080: "active"}


async def test_an_invalid_record_is_an_error(running: Running) -> None:
    """For both requests."""
    async with running(WEB) as daemon:
        with pytest.raises(UsageError):
            await daemon.pause([{"port": 0}])
        with pytest.raises(UsageError):
            await daemon.resume("8080")
