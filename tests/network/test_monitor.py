"""Changes of the network are reported shortly after they happen."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Iterator

import pytest

from portmapper.network import monitor

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="uses rtnetlink")


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Replace the netlink socket by a pair, and return the end of the kernel."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    monkeypatch.setattr(monitor, "_open", lambda: ours)
    monkeypatch.setattr(monitor, "SETTLING", 0.01)
    yield theirs
    theirs.close()


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until the condition is true."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_a_burst_of_messages_is_one_change(kernel: socket.socket) -> None:
    """The next burst is another one."""
    changes: list[None] = []
    async with monitor.monitoring(lambda: changes.append(None)):
        for _ in range(20):
            kernel.send(b"message")
        await eventually(lambda: bool(changes))
        await asyncio.sleep(0.03)
        assert len(changes) == 1
        kernel.send(b"message")
        await eventually(lambda: len(changes) == 2)


async def test_nothing_is_reported_after_the_context(kernel: socket.socket) -> None:
    """A pending report is canceled, too."""
    changes: list[None] = []
    async with monitor.monitoring(lambda: changes.append(None)):
        kernel.send(b"message")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await asyncio.sleep(0.03)
    assert changes == []


async def test_without_netlink_nothing_is_reported(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A container may forbid it; the log says so."""

    def refuse(*_: object) -> None:
        raise PermissionError("not permitted")

    monkeypatch.setattr(socket, "socket", refuse)
    link = monitor._open()
    assert link is None
    assert "cannot watch for network changes" in caplog.text


async def test_other_systems_have_no_monitor(monkeypatch: pytest.MonkeyPatch) -> None:
    """The context does nothing there."""
    monkeypatch.setattr(monitor.sys, "platform", "darwin")
    monkeypatch.setattr(monitor, "_open", lambda: pytest.fail("opened"))
    async with monitor.monitoring(lambda: None):
        pass
