"""The program as its users run it, and gateways on loopback for it to talk to."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from portmapper_simulator.gateway import EmbeddedGateway
from portmapper_simulator.settings import Settings

PATIENCE = 20.0
"""Seconds after which something that should come is given up; no test waits for them."""

POLL = 0.01

# -P: the directory the tests run in must not shadow the installed package.
PROGRAM = (sys.executable, "-P", "-m", "portmapper.cli.main")


def until(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Wait until something has come true."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"not {what} after {patience} s"
        time.sleep(POLL)


@dataclasses.dataclass(frozen=True)
class Finished:
    """What a run left: exit status and its two streams."""

    status: int
    output: str
    errors: str


class Running:
    """A run under way, with its log as it grows."""

    def __init__(self, process: subprocess.Popen[bytes], errors: Path, output: Path) -> None:
        self.process = process
        self._errors = errors
        self._output = output

    @property
    def log(self) -> str:
        """What it wrote to standard error so far."""
        return self._errors.read_text(errors="replace")

    @property
    def output(self) -> str:
        """What it wrote to standard output so far."""
        return self._output.read_text(errors="replace")

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for something while it runs."""

        def reached() -> object:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.log}"
            return condition()

        until(reached, what)

    def logs(self, words: str) -> None:
        """Wait until it logs these words."""
        self.until(lambda: words in self.log, f"logged {words!r}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def ended(self, patience: float = PATIENCE) -> int:
        """Wait for its end and return the exit status."""
        return self.process.wait(patience)


class Program:
    """Runs the command line in processes of their own, with a state directory of the test's."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state = directory / "state"
        self.pid_file = self.state / "portmapper.pid"
        self.environment = {**os.environ, "HOME": str(directory), "STATE_DIRECTORY": str(self.state)}

    def run(self, *arguments: str, stdin: str | bytes = b"", **more: Any) -> Finished:
        """Run it to its end."""
        done = subprocess.run(
            [*PROGRAM, *arguments],
            check=False,
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            env=self.environment,
            timeout=PATIENCE,
            cwd=self.directory,
            **more,
        )
        return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())

    @contextlib.contextmanager
    def running(self, *arguments: str, stdin: Any = subprocess.DEVNULL) -> Iterator[Running]:
        """Keep it running; it is killed at the end of the test when it did not end by itself."""
        errors, output = self.directory / "stderr", self.directory / "stdout"
        with errors.open("wb") as errors_stream, output.open("wb") as output_stream:
            process = subprocess.Popen(
                [*PROGRAM, *arguments],
                stdin=stdin,
                stdout=output_stream,
                stderr=errors_stream,
                env=self.environment,
                cwd=self.directory,
            )
        try:
            yield Running(process, errors, output)
        finally:
            process.kill()
            process.wait()


class LoopbackGateway:
    """The embedded gateway in a thread, without relaying: what counts here is its table.

    Attributes:
        options: what makes the program ask it and nobody else.
    """

    def __init__(self) -> None:
        self._gateway = EmbeddedGateway(Settings(protocols=frozenset({"pcp"}), relay=False))
        self._started = threading.Event()
        self._stop: asyncio.Event
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        self._started.wait()
        self.options = ("--gateway", f"127.0.0.1:{self._gateway.pcp_port}", "--backend", "pcp")

    def ports(self) -> set[int]:
        """Return the external ports that are open."""
        return self.requested(lambda: {entry.external_port for entry in self._gateway.table})

    def requests(self) -> list[tuple[str, object]]:
        """Return action and lifetime of each request so far."""
        return self.requested(lambda: [(r.action, r.details.get("lifetime")) for r in self._gateway.requests])

    def mute(self) -> None:
        """Answer nothing from now on."""
        self.requested(lambda: self._gateway.mute("pcp"))

    def leave(self) -> None:
        """Close its port: who asks is told that nobody is there."""
        asyncio.run_coroutine_threadsafe(self._gateway.stop_protocol("pcp"), self._loop).result(PATIENCE)

    def requested(self, question: Callable[[], Any]) -> Any:
        """Answer a question inside the gateway's own thread."""

        async def answer() -> Any:
            return question()

        return asyncio.run_coroutine_threadsafe(answer(), self._loop).result(PATIENCE)

    def close(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with self._gateway:
            self._started.set()
            await self._stop.wait()


@pytest.fixture
def wait() -> Callable[[Callable[[], object], str], None]:
    """Wait until something has come true; fails with what it was."""
    return until


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The program, at home in the test's directory."""
    return Program(tmp_path)


@pytest.fixture
def gateway() -> Iterator[LoopbackGateway]:
    """A gateway that grants what it is asked."""
    gateway = LoopbackGateway()
    yield gateway
    gateway.close()


@pytest.fixture
def silence() -> Iterator[tuple[str, ...]]:
    """Options that lead to a gateway which takes every question and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        yield "--gateway", f"127.0.0.1:{deaf.getsockname()[1]}"


@pytest.fixture
def ports(tmp_path: Path) -> Path:
    """A list of one port, 8080."""
    file = tmp_path / "ports.csv"
    file.write_text("port;protocol\n8080;TCP\n")
    return file
