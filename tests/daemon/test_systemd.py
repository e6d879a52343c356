"""Notifications to systemd for a service of `Type=notify`."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portmapper.daemon.systemd import ServiceManager

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="the protocol needs Unix sockets")


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """The socket of a service manager, and its address in the environment."""
    name = str(tmp_path / "notify") if request.param == "path" else f"\0portmapper-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        try:
            listener.bind(name)
        except OSError:
            pytest.skip("no abstract sockets here")
        listener.settimeout(60)
        yield listener, name.replace("\0", "@")


def receive(listener: socket.socket, expected: str) -> list[str]:
    """Receive messages until one contains a line, and return its lines."""
    while True:
        lines = listener.recv(4096).decode().splitlines()
        if expected in lines:
            return lines


def test_a_service_reports_its_state(
    manager: tuple[socket.socket, str], program: Any, ports: Path, gateway: Any
) -> None:
    """Readiness after the list is read, then the number of open ports, reloads, and the stop."""
    listener, program.environment["NOTIFY_SOCKET"] = manager
    with program.running("run", *gateway.options, str(ports)) as run:
        receive(listener, "READY=1")
        receive(listener, "STATUS=1 of 1 mapping open")
        run.signal(signal.SIGHUP)
        reloading = receive(listener, "RELOADING=1")
        assert any(line.startswith("MONOTONIC_USEC=") for line in reloading)
        receive(listener, "READY=1")
        run.signal(signal.SIGTERM)
        receive(listener, "STOPPING=1")
        assert run.ended() == 0


def test_watchdog_pings_are_sent(
    manager: tuple[socket.socket, str], program: Any, ports: Path, silence: tuple[str, ...]
) -> None:
    """Also while nothing else happens."""
    listener, program.environment["NOTIFY_SOCKET"] = manager
    program.environment["WATCHDOG_USEC"] = "400000"
    with program.running("run", *silence, str(ports)):
        for _ in range(4):
            receive(listener, "WATCHDOG=1")


def test_without_a_manager_nothing_is_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a service manager, and after it has gone."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    ServiceManager().notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    ServiceManager().notify("READY=1")


@pytest.mark.parametrize(
    ("microseconds", "pid", "interval"),
    [
        ("60000000", None, 30.0),
        ("60000000", "ours", 30.0),
        ("60000000", "1", None),
        ("0", None, None),
        ("soon", None, None),
        ("9" * 400, None, None),
        (None, None, None),
    ],
)
def test_the_watchdog_interval(
    monkeypatch: pytest.MonkeyPatch, microseconds: str | None, pid: str | None, interval: float | None
) -> None:
    """Half of the manager's timeout, if the setting is for this process."""
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/nobody")
    for name, value in (("WATCHDOG_USEC", microseconds), ("WATCHDOG_PID", pid)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, str(os.getpid()) if value == "ours" else value)
    assert ServiceManager().ping_interval == interval


def test_a_full_socket_neither_blocks_nor_loses_the_readiness(
    manager: tuple[socket.socket, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """systemd ends a service that never says that it is ready; the next message says so, once."""
    listener, address = manager
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    service = ServiceManager()
    sent = 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while sent < 100_000:
                other.sendto(b"X" * 1000, listener.getsockname())
                sent += 1
    service.notify("READY=1")
    service.notify("STATUS=full")
    assert service.owes_ready
    for _ in range(sent):
        listener.recv(4096)
    service.notify("STATUS=idle")
    assert listener.recv(4096) == b"READY=1\nSTATUS=idle"
    service.notify("STATUS=idle")
    assert listener.recv(4096) == b"STATUS=idle"


@pytest.mark.parametrize("kind", ["removed", "fifo", "stream", "long"])
def test_a_socket_that_is_none_is_ignored(
    kind: str, tmp_path: Path, program: Any, ports: Path, gateway: Any
) -> None:
    """The daemon keeps its port open."""
    path = tmp_path / ("n" * 200 if kind == "long" else "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        if kind == "fifo":
            os.mkfifo(path)
        elif kind == "stream":
            listener.bind(str(path))
            listener.listen(0)
        program.environment |= {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "1000"}
        with program.running("run", *gateway.options, str(ports)) as run:
            run.until(lambda: gateway.ports() == {8080}, "opened")
            assert program.run("status").status == 0
            run.signal(signal.SIGTERM)
            assert run.ended() == 0
