"""No system error ends the daemon: each system call fails for a while, at the start and while it runs."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running_program import PROGRAM, Running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="replaces system calls of Linux")

INJECT = """
import builtins, os, random, selectors, socket, sqlite3, sys, _thread
OS_CALLS = (
    "stat", "lstat", "fstat", "read", "unlink", "replace", "mkdir",
    "write", "readlink", "listdir", "scandir", "ftruncate", "urandom", "set_blocking",
)
call, code, trigger = sys.argv[1], int(sys.argv[2]), sys.argv[3]
stat = os.stat

def is_file(path):
    try:
        return bool(stat(path))
    except FileNotFoundError:
        return False

def failing(original, error):
    def replaced(*arguments, **named):
        if is_file(trigger):
            raise error()
        return original(*arguments, **named)
    return replaced

def system_error():
    return OSError(code, os.strerror(code))

def database_error():
    error = sqlite3.OperationalError("unable to open database file")
    error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
    return error

if call == "open":
    os.open, builtins.open = failing(os.open, system_error), failing(open, system_error)
elif call == "socket":
    socket.socket.__init__ = failing(socket.socket.__init__, system_error)
elif call == "thread":
    no_thread = lambda: RuntimeError("can't start new thread")
    _thread.start_new_thread = failing(_thread.start_new_thread, no_thread)
elif call == "sqlite":
    connect, fail = sqlite3.connect, failing(sqlite3.connect, database_error)
    sqlite3.connect = lambda path, **more: (connect if path == ":memory:" else fail)(path, **more)
elif call == "inotify":
    from portmapper.support.inotify import Inotify
    Inotify.__init__ = failing(Inotify.__init__, system_error)
elif call == "add_watch":
    from portmapper.support.inotify import Inotify
    Inotify.add_watch = failing(Inotify.add_watch, system_error)
elif call == "epoll_ctl":
    selector = selectors.EpollSelector
    selector.register = failing(selector.register, system_error)
elif call == "timerfd":
    from portmapper.support import clock_jumps
    clock_jumps._create = failing(clock_jumps._create, system_error)
elif call == "socketpair":
    socket.socketpair = failing(socket.socketpair, system_error)
elif call in OS_CALLS:
    random._urandom = failing(random._urandom, system_error) if call == "urandom" else random._urandom
    setattr(os, call, failing(getattr(os, call), system_error))
elif call == "getaddrinfo":
    socket.getaddrinfo = failing(socket.getaddrinfo, lambda: socket.gaierror(code, "no resolver"))
elif call == "memory":
    socket.socket.sendto = failing(socket.socket.sendto, MemoryError)
else:
    setattr(socket.socket, call, failing(getattr(socket.socket, call), system_error))
from portmapper.cli.main import entry
sys.argv[1:] = sys.argv[4:]
entry()
"""

CALLS = [
    ("socket", errno.EMFILE),
    ("socket", errno.ENOMEM),
    ("bind", errno.EADDRINUSE),
    ("bind", errno.EADDRNOTAVAIL),
    ("listen", errno.EADDRINUSE),
    ("accept", errno.EMFILE),
    ("accept", errno.ECONNABORTED),
    ("connect", errno.ENETUNREACH),
    ("connect", errno.EAGAIN),
    ("sendto", errno.ENOBUFS),
    ("sendto", errno.EPERM),
    ("send", errno.ENOBUFS),
    ("recvfrom", errno.ENOMEM),
    ("recv", errno.ECONNREFUSED),
    ("recv", errno.EIO),
    ("thread", 0),
    ("inotify", errno.EMFILE),
    ("inotify", errno.ENOSPC),
    ("sqlite", 0),
    ("memory", 0),
    ("setsockopt", errno.EPERM),
    ("setsockopt", errno.ENOMEM),
    ("getsockname", errno.ENOBUFS),
    ("getaddrinfo", socket.EAI_AGAIN),
    ("fstat", errno.EIO),
    ("getsockopt", errno.ENOBUFS),
    ("socketpair", errno.ENFILE),
    ("set_blocking", errno.EIO),
    ("epoll_ctl", errno.ENOSPC),
    ("epoll_ctl", errno.ENOMEM),
    ("add_watch", errno.ENOSPC),
    ("timerfd", errno.EMFILE),
    ("readlink", errno.EACCES),
    ("scandir", errno.EIO),
    ("urandom", errno.ENOSYS),
]

FILE_CALLS = [
    ("open", errno.EMFILE),
    ("open", errno.EIO),
    ("stat", errno.EIO),
    ("stat", errno.EACCES),
    ("lstat", errno.EIO),
    ("read", errno.EIO),
    ("unlink", errno.EROFS),
    ("replace", errno.EROFS),
    ("mkdir", errno.ENOSPC),
    ("write", errno.ENOSPC),
    ("ftruncate", errno.EIO),
    ("listdir", errno.EMFILE),
]
"""At the start, the pid file or the list would not be usable, which ends the daemon with one line."""


class Injected:
    """A daemon whose system calls fail while a file exists."""

    def __init__(self, program: Any, trigger: Path) -> None:
        self._program = program
        self._trigger = trigger

    def fail(self) -> None:
        """Let the call fail from now on."""
        self._trigger.touch()

    def recover(self) -> None:
        """Let the call work again."""
        self._trigger.unlink()

    @contextlib.contextmanager
    def running(self, call: str, code: int, *arguments: str) -> Iterator[Running]:
        """Run the daemon inside the block."""
        errors, output = self._program.directory / "stderr", self._program.directory / "stdout"
        command = [sys.executable, "-P", "-c", INJECT, call, str(code), str(self._trigger), "run", "-n", "1"]
        with errors.open("wb") as errors_stream, output.open("wb") as output_stream:
            process = subprocess.Popen(
                [*command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output_stream,
                stderr=errors_stream,
                env={**os.environ, **self._program.environment},
            )
        try:
            yield Running(process, errors, output)
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def injected(program: Any, tmp_path: Path) -> Injected:
    """A daemon for one test."""
    return Injected(program, tmp_path / "fails")


@pytest.mark.parametrize(("call", "code"), [*FILE_CALLS, *CALLS])
def test_a_running_daemon_survives(
    injected: Injected, program: Any, gateway: Any, ports: Path, call: str, code: int
) -> None:
    """Its port stays open, and an edit meanwhile takes effect when the call works again."""
    with injected.running(call, code, *gateway.options, str(ports)) as daemon:
        daemon.until(lambda: gateway.ports() == {8080}, "opened")
        injected.fail()
        ports.write_text("port;protocol\n8080;TCP\n8090;TCP\n")
        time.sleep(1.5)  # at least one interval with the failing call
        assert daemon.process.poll() is None, daemon.log
        assert 8080 in gateway.ports()
        injected.recover()
        daemon.until(lambda: gateway.ports() == {8080, 8090}, "opened the new port")
        assert program.run("status", "--json").status == 0
        assert daemon.log.count("Traceback") == 0


@pytest.mark.parametrize(("call", "code"), CALLS)
def test_a_daemon_that_starts_survives(
    injected: Injected, program: Any, gateway: Any, ports: Path, call: str, code: int
) -> None:
    """It opens its port when the call works again."""
    injected.fail()
    with injected.running(call, code, *gateway.options, str(ports)) as daemon:
        daemon.until(program.pid_file.exists, "started")
        time.sleep(1.0)
        assert daemon.process.poll() is None, daemon.log
        injected.recover()
        daemon.until(lambda: gateway.ports() == {8080}, "opened")
        daemon.until(program.listener.exists, "listening")
        assert program.run("status", "--json").status == 0


@pytest.mark.parametrize("limit", [7, 8, 10, 12])
def test_a_start_without_descriptors_is_one_line(program: Any, silence: Any, ports: Path, limit: int) -> None:
    """It waits for descriptors, or says that there are none; it shows no traceback and no fault of ours."""
    command = [*PROGRAM, "run", *silence, str(ports)]
    limited = ["sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh", *command]
    with subprocess.Popen(limited, stderr=subprocess.PIPE, env=program.environment, text=True) as process:
        assert process.stderr is not None, "it is a pipe"
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "cannot start" in line or "keeping" in line:
                break
        process.kill()
    assert "cannot start" in lines[-1], lines
    assert not [line for line in lines if "Traceback" in line or "internal error" in line]
