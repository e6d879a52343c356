"""No system error ends the daemon: each system call fails for a while, at the start and while it runs."""

from __future__ import annotations

import contextlib
import errno
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running_program import PROGRAM, LoopbackGateway, Program, Running

from portmapper.control.client import call_daemon

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="replaces system calls of Linux")

INJECT = """
import builtins, os, random, selectors, socket, sqlite3, sys, _thread
OS_CALLS = (
    "stat", "lstat", "fstat", "read", "unlink", "replace", "mkdir",
    "write", "readlink", "listdir", "scandir", "ftruncate", "urandom", "set_blocking",
)
SOCKET_CALLS = (
    "bind", "listen", "accept", "connect", "sendto", "send", "recvfrom", "recv",
    "setsockopt", "getsockname", "getsockopt",
)
trigger = sys.argv[1]
readlink = os.readlink

def failure():
    # A link can be read without any of the calls that fail.
    try:
        call, code = readlink(trigger).split()
    except FileNotFoundError:
        return "", 0
    return call, int(code)

def failing(call, original, error):
    def replaced(*arguments, **named):
        name, code = failure()
        if name == call:
            raise error(code)
        return original(*arguments, **named)
    return replaced

def system_error(code):
    return OSError(code, os.strerror(code))

def no_resolver(code):
    return socket.gaierror(code, "no resolver")

def no_thread(code):
    return RuntimeError("can't start new thread")

def no_memory(code):
    return MemoryError()

def database_error(code):
    error = sqlite3.OperationalError("unable to open database file")
    error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
    return error

def replace(call, owner, name, error=system_error):
    setattr(owner, name, failing(call, getattr(owner, name), error))

from portmapper.support import clock_jumps
from portmapper.support.inotify import Inotify
for name in OS_CALLS:
    replace(name, os, name)
for name in SOCKET_CALLS:
    replace(name, socket.socket, name)
replace("open", os, "open")
replace("open", builtins, "open")
replace("socket", socket.socket, "__init__")
replace("thread", _thread, "start_new_thread", no_thread)
replace("inotify", Inotify, "__init__")
replace("add_watch", Inotify, "add_watch")
replace("epoll_ctl", selectors.EpollSelector, "register")
replace("epoll_wait", selectors.EpollSelector, "select")
replace("timerfd", clock_jumps, "_create")
replace("socketpair", socket, "socketpair")
replace("urandom", random, "_urandom")
replace("getaddrinfo", socket, "getaddrinfo", no_resolver)
replace("memory", socket.socket, "sendto", no_memory)
connect, fail = sqlite3.connect, failing("sqlite", sqlite3.connect, database_error)
sqlite3.connect = lambda path, **more: (connect if path == ":memory:" else fail)(path, **more)
from portmapper.cli.main import entry
sys.argv[1:] = sys.argv[2:]
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
    ("epoll_wait", errno.EBADF),
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
    """A daemon and its gateway. System calls of the daemon fail from `fail` to `recover`."""

    def __init__(self, directory: Path) -> None:
        self.program = Program(directory)
        self.program.environment["XDG_CONFIG_HOME"] = str(directory)
        self.gateway = LoopbackGateway()
        self._ports = directory / "ports.csv"
        self._trigger = directory / "fails"
        self.want(8080)

    def want(self, *ports: int) -> None:
        """Write the list."""
        self._ports.write_text("port;protocol\n" + "".join(f"{port};TCP\n" for port in ports))

    def fail(self, call: str, code: int) -> None:
        """Let a call fail from now on."""
        self._trigger.symlink_to(f"{call} {code}")

    def recover(self) -> None:
        """Let the call work again."""
        self._trigger.unlink()

    def answers(self) -> bool:
        """Return whether the daemon answers clients."""
        return bool(call_daemon(self.program.state, "status")["mappings"])

    @contextlib.contextmanager
    def running(self) -> Iterator[Running]:
        """Run the daemon inside the block."""
        errors, output = self.program.directory / "stderr", self.program.directory / "stdout"
        command = [sys.executable, "-P", "-c", INJECT, str(self._trigger), "run", "-n", "1"]
        with errors.open("wb") as errors_stream, output.open("wb") as output_stream:
            process = subprocess.Popen(
                [*command, *self.gateway.options, str(self._ports)],
                stdin=subprocess.DEVNULL,
                stdout=output_stream,
                stderr=errors_stream,
                env=self.program.environment,
            )
        try:
            yield Running(process, errors, output)
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Injected, Running]]:
    """A daemon with an open port, for all tests of a worker."""
    injected = Injected(tmp_path_factory.mktemp("running"))
    with injected.running() as daemon:
        daemon.until(lambda: injected.gateway.ports() == {8080}, "opened")
        yield injected, daemon
    injected.gateway.close()


@pytest.fixture
def injected(tmp_path: Path) -> Iterator[Injected]:
    """A daemon for one test."""
    injected = Injected(tmp_path)
    yield injected
    injected.gateway.close()


@pytest.mark.parametrize(("call", "code"), [*FILE_CALLS, *CALLS])
def test_a_running_daemon_survives(running: tuple[Injected, Running], call: str, code: int) -> None:
    """Its port stays open, and an edit meanwhile takes effect when the call works again."""
    injected, daemon = running
    new = 8090 if 8091 in injected.gateway.ports() else 8091
    injected.fail(call, code)
    injected.want(8080, new)
    time.sleep(1.5)  # at least one interval with the failing call
    assert daemon.process.poll() is None, daemon.log
    assert 8080 in injected.gateway.ports()
    injected.recover()
    daemon.until(lambda: injected.gateway.ports() == {8080, new}, "opened the new port")
    assert injected.answers()
    assert daemon.log.count("Traceback") == 0


@pytest.mark.parametrize(("call", "code"), CALLS)
def test_a_daemon_that_starts_survives(injected: Injected, call: str, code: int) -> None:
    """It opens its port when the call works again."""
    injected.fail(call, code)
    with injected.running() as daemon:
        daemon.until(injected.program.pid_file.exists, "started")
        time.sleep(1.0)
        assert daemon.process.poll() is None, daemon.log
        injected.recover()
        daemon.until(lambda: injected.gateway.ports() == {8080}, "opened")
        daemon.until(injected.program.listener.exists, "listening")
        assert injected.answers()


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
