"""Network namespaces as hosts and veth pairs as cables, all within this machine."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import secrets
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

CLONE_NEWNET = 0x40000000
COMMAND_TIMEOUT = 20.0
NAME = re.compile(r"pm(?P<owner>\d+)-[0-9a-f]{6}-\w+")

_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """The lab itself failed, so there is no test result."""


def run(*command: str, stdin: str = "", timeout: float = COMMAND_TIMEOUT) -> str:
    """Run a command and return its standard output.

    Raises:
        LabError: the command failed or exceeded `timeout` seconds.
    """
    try:
        done = subprocess.run(
            command, check=False, input=stdin, capture_output=True, text=True, timeout=timeout
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"{' '.join(command)}: {error}") from error
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


class Namespace:
    """A host of the lab.

    Attributes:
        name: name of the network namespace.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        run("ip", "netns", "add", name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *arguments: str) -> str:
        """Run `ip` in the namespace, for example `ip("addr", "add", ...)`."""
        return run("ip", "-n", self.name, *arguments)

    def run(self, *command: str, stdin: str = "", timeout: float = COMMAND_TIMEOUT) -> str:
        """Run a command in the namespace; see `run`."""
        return run(*self.command(*command), stdin=stdin, timeout=timeout)

    def command(self, *command: str) -> list[str]:
        """Return a command that runs in the namespace, with the pid of the command itself."""
        return ["ip", "netns", "exec", self.name, *command]

    def socket(self, kind: socket.SocketKind, family: socket.AddressFamily = socket.AF_INET) -> socket.socket:
        """Create a socket in the namespace for use in this process.

        A socket stays in the namespace in which it was created, so a query needs no extra process.
        """
        with self._entered():
            return socket.socket(family, kind)

    @contextlib.contextmanager
    def _entered(self) -> Iterator[None]:
        # setns affects only the calling thread, not other threads of the test.
        here = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(f"/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(there)
            try:
                yield
            finally:
                _setns(here)
        finally:
            os.close(there)
            os.close(here)

    def pids(self) -> list[int]:
        """Return the pids of the processes in the namespace."""
        return [int(pid) for pid in run("ip", "netns", "pids", self.name).split()]

    def remove(self) -> None:
        """Kill the processes in the namespace, and delete it with its links."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        run("ip", "netns", "del", self.name)


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise LabError(f"setns: {os.strerror(number)}")


class Topology:
    """The namespaces of a lab, which are created one by one and removed together.

    Names are `pm<pid>-<random>-<role>`, so that labs can run in parallel and leftovers have an owner.
    """

    def __init__(self) -> None:
        self.prefix = f"pm{os.getpid()}-{secrets.token_hex(3)}"
        self.namespaces: list[Namespace] = []

    def add(self, role: str) -> Namespace:
        """Create a host."""
        namespace = Namespace(f"{self.prefix}-{role}")
        self.namespaces.append(namespace)
        return namespace

    def remove(self, namespace: Namespace) -> None:
        """Remove a host before the others."""
        self.namespaces.remove(namespace)
        namespace.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        failures = []
        for namespace in reversed(self.namespaces):
            try:
                namespace.remove()
            except LabError as failure:
                failures.append(str(failure))
        self.namespaces.clear()
        if failures:
            raise LabError("; ".join(failures))


def cable(left: Namespace, left_interface: str, right: Namespace, right_interface: str) -> None:
    """Connect two hosts with a veth pair, and set both ends up."""
    left.ip(
        "link", "add", left_interface, "type", "veth", "peer", "name", right_interface, "netns", right.name
    )
    left.ip("link", "set", left_interface, "up")
    right.ip("link", "set", right_interface, "up")


def switch(host: Namespace, interface: str) -> None:
    """Create a bridge that floods multicast, like a simple switch in a home router."""
    host.ip("link", "add", interface, "type", "bridge", "mcast_snooping", "0")
    host.ip("link", "set", interface, "up")


def leftovers(names: Sequence[str]) -> list[str]:
    """Return the lab namespaces whose owner no longer runs."""
    matches = ((name, NAME.fullmatch(name)) for name in names)
    return [name for name, match in matches if match and not Path("/proc", match["owner"]).exists()]


def sweep() -> None:
    """Remove namespaces of killed labs; those of running labs and of other programs stay."""
    listed = [line.split()[0] for line in run("ip", "netns", "list").splitlines() if line]
    for name in leftovers(listed):
        # Another worker may sweep at the same time.
        with contextlib.suppress(LabError):
            for pid in run("ip", "netns", "pids", name).split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            run("ip", "netns", "del", name)
