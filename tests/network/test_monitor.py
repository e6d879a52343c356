"""Changes of the network are reported shortly after they happen."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
from collections.abc import Callable, Iterator

import pytest

from portmapper.network import monitor, route_socket

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="uses rtnetlink")


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Replace the netlink socket by a pair, and return the end of the kernel."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    monkeypatch.setattr(monitor, "_announcements", lambda: ours)
    monkeypatch.setattr(monitor, "SETTLING", 0.01)
    yield theirs
    theirs.close()


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until the condition is true."""
    async with asyncio.timeout(60):
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
    """A container may forbid it; the log says so once, and later attempts have a pause."""
    attempts: list[None] = []

    def refuse(*_: object) -> socket.socket:
        attempts.append(None)
        raise PermissionError("not permitted")

    monkeypatch.setattr(monitor, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(monitor, "_announcements", refuse)
    async with monitor.monitoring(lambda: None):
        await eventually(lambda: len(attempts) >= 3)
    assert len(caplog.messages) == 1
    assert "cannot watch for network changes" in caplog.text


@pytest.mark.parametrize("code", [errno.EBADF, errno.ENOMEM, errno.ENOTCONN, errno.EIO, errno.EMFILE])
async def test_a_lasting_error_of_the_socket_opens_another_one(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """The loop does not spin: the broken socket is closed, and what was missed is read."""
    opened: list[socket.socket] = []
    kernels: list[socket.socket] = []

    def pair() -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        ours.setblocking(False)
        opened.append(ours)
        kernels.append(theirs)
        return ours

    def drain(link: socket.socket) -> bool:
        if link is opened[0]:
            raise OSError(code, os.strerror(code))
        return bool(link.recv(10))

    monkeypatch.setattr(monitor, "_announcements", pair)
    monkeypatch.setattr(monitor, "_drain", drain)
    monkeypatch.setattr(monitor, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(monitor, "SETTLING", 0.001)
    changes: list[None] = []
    async with monitor.monitoring(lambda: changes.append(None)):
        kernels[0].send(b"message")
        await eventually(lambda: len(changes) == 1 and len(opened) == 2)
        assert opened[0].fileno() == -1
        kernels[1].send(b"message")
        await eventually(lambda: len(changes) == 2)
    for kernel in kernels:
        kernel.close()


def test_an_overrun_of_the_buffer_is_no_error() -> None:
    """The kernel dropped messages, which is a change like any other."""

    class Link:
        """Overruns once, then is empty."""

        def recv(self, _: int) -> bytes:
            raise errors.pop()

    errors = [BlockingIOError(), OSError(errno.ENOBUFS, "No buffer space available")]
    assert monitor._drain(Link())  # type: ignore[arg-type]
    assert not errors


async def test_windows_has_no_monitor(monkeypatch: pytest.MonkeyPatch) -> None:
    """The context does nothing there."""
    monkeypatch.setattr(monitor.sys, "platform", "win32")
    monkeypatch.setattr(monitor, "_announcements", lambda: pytest.fail("opened"))
    async with monitor.monitoring(lambda: None):
        pass


async def test_macos_reports_changes_of_the_route_socket(
    kernel: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RTM_MISS, which each failed lookup causes, is no change; RTM_NEWADDR is one."""
    monkeypatch.setattr(monitor.sys, "platform", "darwin")
    changes: list[None] = []
    async with monitor.monitoring(lambda: changes.append(None)):
        kernel.send(bytes([92, 0, 5, 0x7]))
        await asyncio.sleep(0.03)
        assert changes == []
        kernel.send(bytes([20, 0, 5, 0xC]))
        await eventually(lambda: len(changes) == 1)


@pytest.mark.parametrize("message", [b"", b"\1", bytes([4, 0, 5, 4]), bytes([4, 0, 5, 0xB])])
def test_a_damaged_message_or_a_lookup_is_no_change(message: bytes) -> None:
    """Messages that report no change cause no reading."""
    assert not route_socket.is_change(message)


def test_the_route_socket_does_not_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a raw socket of the family of routes."""
    opened: list[tuple[object, ...]] = []

    class Socket:
        """Records what a socket is asked for."""

        def __init__(self, *arguments: object) -> None:
            opened.append(arguments)

        def setblocking(self, value: bool) -> None:
            opened.append((value,))

    monkeypatch.setattr(socket, "socket", Socket)
    route_socket.announcements()
    assert opened == [(socket.AF_ROUTE, socket.SOCK_RAW, 0), (False,)]
