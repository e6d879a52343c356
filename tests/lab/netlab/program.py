"""portmapper as its users run it: a process in a namespace, judged by exit status and output."""

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

from netlab.namespaces import Namespace

RUN_TIMEOUT = 30.0
READY_TIMEOUT = 10.0
END_TIMEOUT = 10.0
POLL = 0.02

# -P: the directory the tests run in must not shadow the installed package.
_PROGRAM = (sys.executable, "-P", "-m", "portmapper.cli.main")


@dataclasses.dataclass(frozen=True)
class Finished:
    """What a run left.

    Attributes:
        status: exit status.
        output: standard output.
        errors: standard error.
    """

    status: int
    output: str
    errors: str

    def json(self) -> Any:
        """Parse the standard output as the one document that it must be."""
        return json.loads(self.output)


class Program:
    """The command, run inside one namespace.

    Attributes:
        namespace: where it runs.
        words: how it is called.
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
        """Run it to its end."""
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
            raise AssertionError(f"{arguments} did not end; it wrote {error.stderr!r}") from error
        return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())

    @contextlib.contextmanager
    def running(self, *arguments: str, log: Path) -> Iterator[Running]:
        """Keep it running for a while; it is killed at the end when it did not end by itself.

        Its two streams go to `log` and to `log` with the suffix `.out`.
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
    """A process under way.

    Attributes:
        process: `ip netns exec` becomes the program, so signals and pid are the program's own.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path, output: Path) -> None:
        self.process = process
        self._log = log
        self._output = output

    @property
    def log(self) -> str:
        """What it wrote to standard error so far."""
        return self._log.read_text(errors="replace")

    @property
    def output(self) -> str:
        """What it wrote to standard output so far."""
        return self._output.read_text(errors="replace")

    def until(self, condition: Callable[[], object], what: str, timeout: float = READY_TIMEOUT) -> None:
        """Wait until something has come true while it runs; fails with its log otherwise."""
        deadline = time.monotonic() + timeout
        while not condition():
            if self.process.poll() is not None:
                raise AssertionError(f"it ended with {self.process.returncode}: {self.log}")
            if time.monotonic() > deadline:
                raise AssertionError(f"not {what} after {timeout} s: {self.log}")
            time.sleep(POLL)

    def end(self, how: signal.Signals = signal.SIGTERM, timeout: float = END_TIMEOUT) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(how)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"still running {timeout} s after {how.name}: {self.log}") from error
