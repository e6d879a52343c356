"""portmapper as a process in a namespace, with exit status and output."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from netlab import cpu_wait
from netlab.namespaces import Namespace

RUN_TIMEOUT = 30.0
READY_TIMEOUT = 10.0
END_TIMEOUT = 10.0
POLL = 0.02

# -P, because the current directory must not shadow the installed package.
_PROGRAM = (sys.executable, "-P", "-m", "portmapper.cli.main")


@dataclasses.dataclass(frozen=True)
class Finished:
    """Result of a finished process.

    Attributes:
        status: exit status.
        output: standard output.
        errors: standard error.
    """

    status: int
    output: str
    errors: str

    def json(self) -> Any:
        """Parse the standard output as one JSON document."""
        return json.loads(self.output)


class Program:
    """The command line in a namespace.

    Attributes:
        namespace: where it runs.
        words: the command and its first arguments.
    """

    def __init__(self, namespace: Namespace, home: Path, words: tuple[str, ...] = _PROGRAM) -> None:
        self.namespace = namespace
        self.words = words
        self._environment = {
            "HOME": str(home),
            "LANG": "C.UTF-8",
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
        }

    def run(self, *arguments: str, stdin: str | bytes = "", timeout: float = RUN_TIMEOUT) -> Finished:
        """Run the command until it ends."""
        try:
            done = subprocess.run(
                self.namespace.command(*self.words, *arguments),
                check=False,
                input=stdin.encode() if isinstance(stdin, str) else stdin,
                capture_output=True,
                env=self._environment,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"{arguments} did not end; standard error: {error.stderr!r}") from error
        return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())

    @contextlib.contextmanager
    def running(self, *arguments: str, log: Path) -> Iterator[Running]:
        """Run the command in the background; kill it at the end if it still runs.

        Standard error goes to `log`, standard output to `log` with the suffix `.out`.
        """
        output = log.with_suffix(".out")
        with log.open("wb") as errors_stream, output.open("wb") as output_stream:
            process = subprocess.Popen(
                self.namespace.command(*self.words, *arguments),
                stdin=subprocess.DEVNULL,
                stdout=output_stream,
                stderr=errors_stream,
                env=self._environment,
            )
        try:
            yield Running(process, log, output)
        finally:
            process.kill()
            process.wait()


class Running:
    """A running process.

    Attributes:
        process: the program itself, because `ip netns exec` replaces itself with it.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path, output: Path) -> None:
        self.process = process
        self._log = log
        self._output = output

    @property
    def log(self) -> str:
        """Standard error so far."""
        return self._log.read_text(errors="replace")

    @property
    def output(self) -> str:
        """Standard output so far."""
        return self._output.read_text(errors="replace")

    def until(self, condition: Callable[[], object], what: str, timeout: float = READY_TIMEOUT) -> None:
        """Wait until a condition is true; fail with the log if the process ends or time runs out.

        The time in which it waited for a processor does not count: beside ten busy processes, a start of half
        a second takes up to ten.
        """
        began = cpu_wait.mark([self.process.pid])
        while not condition():
            if self.process.poll() is not None:
                raise AssertionError(f"it ended with {self.process.returncode}: {self.log}")
            if cpu_wait.since(began, [self.process.pid]).net > timeout:
                raise AssertionError(f"not {what} after {timeout} s: {self.log}")
            time.sleep(POLL)

    def end(self, how: signal.Signals = signal.SIGTERM, timeout: float = END_TIMEOUT) -> int:
        """Send a signal, and return the exit status."""
        self.process.send_signal(how)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"still running {timeout} s after {how.name}: {self.log}") from error
