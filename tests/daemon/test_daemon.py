"""The daemon: startup, reload and shutdown of one run."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from portmapper.api.errors import SourceError, UsageError
from portmapper.api.events import Event, Observer
from portmapper.api.metrics import Metrics, MetricsPage
from portmapper.api.model import MappingState, Protocol
from portmapper.api.shows_metrics import ShowsMetrics
from portmapper.api.source import FormatOptions, Row
from portmapper.daemon.daemon import Daemon
from portmapper.daemon.options import RunOptions
from portmapper.daemon.reloadable import Reloadable
from portmapper.sources.inline import InlineSource
from portmapper.sources.policy import Action, Policy, Rule
from portmapper.sources.reader import AUTO, SourceReader
from portmapper.store.leases import Store
from portmapper.support.clock import Clock
from portmapper.testing.fake_backend import FakeBackend
from portmapper.testing.fake_device import FakeDevice

WEB = {"port": 8080, "protocol": "TCP"}
MAIL = {"port": 25, "protocol": "TCP"}

Running = Callable[..., AbstractAsyncContextManager[Daemon]]


class FailingSource(InlineSource):
    """A source that cannot be read."""

    async def fetch(self) -> list[Row]:
        """Raise an error."""
        raise SourceError("no such file")


class MetricsObserver(Observer, ShowsMetrics):
    """An observer that publishes the number of active mappings."""

    name = "metrics"

    def attach(self, measure: Callable[[], Metrics]) -> None:
        """Keep the function."""
        self._measure = measure

    async def page(self) -> MetricsPage:
        """Return the number."""
        active = self._measure().mappings[MappingState.ACTIVE]
        return MetricsPage("text/plain", str(active).encode())

    async def observe(self, event: Event) -> None:
        """Ignore the event."""


def reader_of(*rows: dict[str, Any], kind: type[InlineSource] = InlineSource) -> SourceReader:
    """Return a reader of a source with these rows."""
    return SourceReader(kind("settings", rows), (), AUTO, FormatOptions())


def open_ports(daemon: Daemon) -> set[int]:
    """Return the ports that are active in the status document."""
    return {m["wanted_external_port"] for m in daemon.status()["mappings"] if m["state"] == "active"}


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition is true."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


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
    """Run a daemon inside a block, with a named gateway, so that the machine's routes do not matter."""

    @asynccontextmanager
    async def running(
        reloadable: Reloadable, load_settings: Any = None, **options: Any
    ) -> AsyncIterator[Daemon]:
        run_options = RunOptions(chosen=("127.0.0.1",), **options)
        backends = [FakeBackend("pcp", device)]
        daemon = Daemon(run_options, backends, reloadable, store, load_settings=load_settings)
        task = asyncio.create_task(daemon.run())
        try:
            yield daemon
        finally:
            daemon.stop()
            await task

    return running


async def test_the_mappings_of_the_sources_are_kept_open(running: Running, device: FakeDevice) -> None:
    """A stop leaves them open; the final status document remains available."""
    async with running(Reloadable([reader_of(WEB)])) as daemon:
        await until(lambda: open_ports(daemon) == {8080})
    assert device.open_ports() == {(Protocol.TCP, 8080)}
    assert [mapping["state"] for mapping in daemon.document["mappings"]] == ["active"]


async def test_ports_are_closed_on_exit_on_request(running: Running, device: FakeDevice) -> None:
    """With `--close-ports-on-exit`."""
    async with running(Reloadable([reader_of(WEB)]), close_on_exit=True) as daemon:
        await until(lambda: open_ports(daemon) == {8080})
    assert device.open_ports() == set()


async def test_a_source_that_cannot_be_read_at_start_ends_the_run(running: Running) -> None:
    """The error names the reason."""
    with pytest.raises(SourceError, match="no such file"):
        async with running(Reloadable([reader_of(kind=FailingSource)])) as daemon:
            await until(lambda: daemon.document)


async def test_a_reload_uses_the_new_settings(running: Running, device: FakeDevice) -> None:
    """Mappings that are no longer listed are closed, and new ones are opened."""
    new = Reloadable([reader_of(MAIL)])
    async with running(Reloadable([reader_of(WEB)]), lambda: new) as daemon:
        await until(lambda: open_ports(daemon) == {8080})
        daemon.reload()
        await until(lambda: device.open_ports() == {(Protocol.TCP, 25)})


async def test_after_an_invalid_reload_the_old_settings_stay_in_effect(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has the error."""

    def fail() -> Reloadable:
        raise UsageError("portmapper.toml: unknown key")

    async with running(Reloadable([reader_of(WEB)]), fail) as daemon:
        await until(lambda: open_ports(daemon) == {8080})
        daemon.reload()
        await asyncio.sleep(0.05)
        assert open_ports(daemon) == {8080}
        with pytest.raises(UsageError, match="unknown key; the old settings stay in effect"):
            await daemon.reload_and_wait()
    assert "portmapper.toml: unknown key; the old settings stay in effect" in caplog.text


async def test_a_reload_waits_until_every_source_was_read(running: Running) -> None:
    """The answer has the new sources."""
    new = Reloadable([reader_of(MAIL)])
    async with running(Reloadable([reader_of(WEB)]), lambda: new) as daemon:
        await until(lambda: open_ports(daemon) == {8080})
        (source,) = (await daemon.reload_and_wait())["sources"]
        assert source["mappings"] == 1
        assert daemon.status()["next_check_at"]


async def test_a_reloaded_policy_also_applies_to_requested_mappings(
    running: Running, device: FakeDevice
) -> None:
    """It closes what `open` requested before, like mappings of the sources."""
    reader, policy = reader_of(MAIL), Policy((Rule(Action.DENY),))

    def load_settings() -> Reloadable:
        reader.set_policy(policy)
        return Reloadable([reader], policy=policy)

    async with running(Reloadable([reader]), load_settings) as daemon:
        document = await daemon.open([WEB])
        assert [mapping["state"] for mapping in document["mappings"]] == ["active"]
        await until(lambda: open_ports(daemon) == {8080, 25})
        daemon.reload()
        await until(lambda: device.open_ports() == set())


async def test_requested_mappings_are_closed_on_request(running: Running, device: FakeDevice) -> None:
    """The answer has the result for each port."""
    async with running(Reloadable()) as daemon:
        await daemon.open([WEB])
        answer = await daemon.close([WEB])
        assert [port["result"] for port in answer["ports"]] == ["closed"]
        assert device.open_ports() == set()


async def test_the_metrics_of_an_observer_are_available(running: Running) -> None:
    """None without such an observer."""
    async with running(Reloadable([reader_of(WEB)])) as daemon:
        assert await daemon.metrics() is None
    async with running(Reloadable([reader_of(WEB)], [MetricsObserver()])) as daemon:
        await until(lambda: open_ports(daemon) == {8080})
        assert await daemon.metrics() == MetricsPage("text/plain", b"1")


async def test_a_stop_before_the_run_ends_it_immediately(running: Running, device: FakeDevice) -> None:
    """A signal may arrive before the event loop runs."""
    async with running(Reloadable([reader_of(WEB)])) as daemon:
        daemon.stop()
    assert device.requested() == []


async def test_a_granted_port_that_the_policy_denies_is_not_kept(
    running: Running, device: FakeDevice
) -> None:
    """The list asks for 8080, and the gateway offers 8081."""
    device.occupy(Protocol.TCP, 8080, ipaddress.ip_address("192.168.88.11"))
    policy = Policy((Rule(Action.DENY, port=range(8081, 8082)),))
    async with running(Reloadable([reader_of({**WEB, "conflict": "next"})], policy=policy)) as daemon:
        await until(lambda: [m["state"] for m in daemon.status()["mappings"]] == ["refused"])
        (mapping,) = daemon.status()["mappings"]
        assert "granted 8081/tcp, denied by policy[0]" in mapping["error"]
        assert device.open_ports() == {(Protocol.TCP, 8080)}


async def test_the_scheduler_uses_the_clock_that_learns_of_a_suspend(running: Running) -> None:
    """With its own clock, it would look at it every four seconds, or renew too late."""
    async with running(Reloadable([reader_of(WEB)])) as daemon:
        assert daemon._scheduler._clock is daemon._clock
