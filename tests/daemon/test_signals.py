"""Signals: the program reacts immediately, whatever it is waiting for."""

from __future__ import annotations

import mmap
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from platforms import posix_only

pytestmark = posix_only("sends signals of Unix")

STOP_LIMIT = 6.0
"""Seconds: the two of the contract, and a margin; a probe takes longer than this."""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("options", [[], ["--close-ports-on-exit"]], ids=str)
def test_a_run_with_a_silent_gateway_stops_immediately(
    program: Any, ports: Path, silence: tuple[str, ...], number: signal.Signals, options: list[str]
) -> None:
    """A run that waits for answers stops in order."""
    with program.running("run", *options, *silence, str(ports)) as run:
        run.until(lambda: program.pid_file.exists() and program.pid_file.read_text(), "started")
        run.signal(number)
        assert run.ended_within(STOP_LIMIT) == 0, run.log
    assert "Traceback" not in run.log
    assert not program.pid_file.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_pass_does_not_succeed(
    program: Any, ports: Path, silence: tuple[str, ...], number: signal.Signals
) -> None:
    """The port is not open, whether the signal arrives while the list is read or while no answer comes."""
    with program.running("run", "--oneshot", *silence, str(ports)) as run:
        run.until(lambda: program.pid_file.exists() and program.pid_file.read_text(), "started")
        run.signal(number)
        assert run.ended_within(STOP_LIMIT) == 1, run.log
    assert "Traceback" not in run.log
    assert not program.pid_file.exists()


def test_a_run_with_a_gateway_that_hangs_stops_immediately(program: Any, ports: Path) -> None:
    """The signal arrives while the program waits for the description."""
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        url = f"http://127.0.0.1:{hanging.getsockname()[1]}/description.xml"
        with program.running("run", "--gateway", url, "--close-ports-on-exit", str(ports)) as run:
            connection, _ = hanging.accept()
            run.signal(signal.SIGTERM)
            assert run.ended_within(STOP_LIMIT) == 0, run.log
            connection.close()


def test_a_signal_to_the_pid_that_was_just_written_is_an_orderly_stop(
    program: Any, ports: Path, silence: tuple[str, ...]
) -> None:
    """A reader of the pid file may send a signal long before the event loop runs."""
    with program.running("run", *silence, str(ports)) as run:
        while not (program.pid_file.exists() and program.pid_file.read_text()):
            assert run.process.poll() is None, run.log
        os.kill(int(program.pid_file.read_text()), signal.SIGHUP)
        os.kill(int(program.pid_file.read_text()), signal.SIGTERM)
        assert run.ended_within(STOP_LIMIT) == 0, run.log
    assert not program.pid_file.exists()


def test_a_run_that_waits_for_standard_input_stops_immediately(
    program: Any, silence: tuple[str, ...]
) -> None:
    """While no data arrives and the input stays open, the first Ctrl-C is enough."""
    read_end, write_end = os.pipe()
    try:
        with program.running("run", *silence, "-", stdin=read_end) as run:
            run.until(lambda: program.pid_file.exists() and program.pid_file.read_text(), "started")
            run.signal(signal.SIGINT)
            assert run.ended_within(STOP_LIMIT) == 0, run.log
    finally:
        os.close(read_end)
        os.close(write_end)


def test_only_close_ports_stops_immediately(program: Any, ports: Path, silence: tuple[str, ...]) -> None:
    """The signal arrives while the program waits for an answer."""
    with program.running("run", "--only-close-ports", *silence, str(ports)) as run:
        run.until(lambda: program.pid_file.exists() and program.pid_file.read_text(), "started")
        run.signal(signal.SIGTERM)
        assert run.ended_within(STOP_LIMIT) == 0, run.log
    assert not program.pid_file.exists()


def test_a_second_ctrl_c_forces_the_exit(program: Any, ports: Path, gateway: Any) -> None:
    """The first Ctrl-C waits for the release of a lease, which gets no answer; the second does not wait."""
    with program.running("run", "--close-ports-on-exit", *gateway.options, str(ports)) as run:
        run.until(lambda: gateway.ports() == {8080}, "open")
        gateway.mute()
        run.signal(signal.SIGINT)
        run.logs("closing")
        run.signal(signal.SIGINT)
        assert run.ended_within(STOP_LIMIT) == 130, run.log
    assert "Traceback" not in run.log
    assert not program.pid_file.exists()


def test_a_failed_release_on_exit_is_logged_and_not_fatal(program: Any, ports: Path, gateway: Any) -> None:
    """The gateway is gone, and the program still stops in order."""
    with program.running("run", "--close-ports-on-exit", *gateway.options, str(ports)) as run:
        run.until(lambda: gateway.ports() == {8080}, "open")
        gateway.leave()
        run.signal(signal.SIGTERM)
        assert run.ended() == 0, run.log
    assert "cannot be closed" in run.log


def test_sighup_reloads_the_sources(program: Any, ports: Path, gateway: Any) -> None:
    """SIGHUP finds an edit that the file watcher misses, and does not end the program."""
    with program.running("run", *gateway.options, "--interval", "3600", str(ports)) as run:
        run.until(lambda: gateway.ports() == {8080}, "open")
        before = run.log.count("reloaded")
        # The kernel does not report a change through shared memory, only that the file is closed.
        with ports.open("r+b") as file, mmap.mmap(file.fileno(), 0) as shared:
            shared[shared.find(b"8080") + 3] = ord("1")
            time.sleep(0.2)
            assert run.log.count("reloaded") == before
            run.signal(signal.SIGHUP)
            run.until(lambda: gateway.ports() == {8081}, "reloaded")
        run.signal(signal.SIGTERM)
        assert run.ended_within(STOP_LIMIT) == 0, run.log


def test_sighup_does_not_end_one_pass(program: Any, ports: Path, silence: tuple[str, ...]) -> None:
    """A oneshot pass ignores SIGHUP."""
    with program.running("run", "--oneshot", *silence, "--backend", "pcp", str(ports)) as run:
        run.until(lambda: program.pid_file.exists() and program.pid_file.read_text(), "started")
        run.signal(signal.SIGHUP)
        assert run.ended() == 3, run.log
