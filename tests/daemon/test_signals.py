"""A signal is honoured at once, whatever the program is doing."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest

AT_ONCE = 6.0
"""Seconds: the two that the contract grants, on a machine that has much else to do; a probe takes longer."""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("kind", [[], ["--close-ports-on-exit"], ["--oneshot"]], ids=str)
def test_a_pass_with_a_silent_gateway_is_left_at_once(
    program: Any, ports: Path, silence: tuple[str, ...], number: signal.Signals, kind: list[str]
) -> None:
    """The pass is under way and nobody answers; the stop is an orderly one all the same."""
    with program.running("run", *kind, *silence, str(ports)) as run:
        run.until(lambda: program.pid_file.exists() and program.pid_file.read_text(), "started")
        run.signal(number)
        assert run.ended(AT_ONCE) == 0, run.log
    assert "Traceback" not in run.log
    assert not program.pid_file.exists()


def test_a_gateway_that_accepts_and_hangs_is_left_at_once(program: Any, ports: Path) -> None:
    """Its description is waited for when the signal comes."""
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        url = f"http://127.0.0.1:{hanging.getsockname()[1]}/description.xml"
        with program.running("run", "--gateway", url, "--close-ports-on-exit", str(ports)) as run:
            connection, _ = hanging.accept()
            run.signal(signal.SIGTERM)
            assert run.ended(AT_ONCE) == 0, run.log
            connection.close()


def test_a_signal_to_the_pid_that_was_just_written_is_an_orderly_stop(
    program: Any, ports: Path, silence: tuple[str, ...]
) -> None:
    """Whoever reads the pid file may signal in the same moment, long before the loop runs."""
    with program.running("run", *silence, str(ports)) as run:
        while not (program.pid_file.exists() and program.pid_file.read_text()):
            assert run.process.poll() is None, run.log
        os.kill(int(program.pid_file.read_text()), signal.SIGHUP)
        os.kill(int(program.pid_file.read_text()), signal.SIGTERM)
        assert run.ended(AT_ONCE) == 0, run.log
    assert not program.pid_file.exists()


def test_waiting_for_standard_input_is_left_at_once(program: Any, silence: tuple[str, ...]) -> None:
    """Nobody writes, nobody closes: the first Ctrl-C is enough."""
    read_end, write_end = os.pipe()
    try:
        with program.running("run", *silence, "-", stdin=read_end) as run:
            run.until(lambda: program.pid_file.exists() and program.pid_file.read_text(), "started")
            run.signal(signal.SIGINT)
            assert run.ended(AT_ONCE) == 0, run.log
    finally:
        os.close(read_end)
        os.close(write_end)


def test_only_close_ports_is_left_at_once(program: Any, ports: Path, silence: tuple[str, ...]) -> None:
    """Closing waits for an answer that never comes."""
    with program.running("run", "--only-close-ports", *silence, str(ports)) as run:
        run.until(lambda: program.pid_file.exists() and program.pid_file.read_text(), "started")
        run.signal(signal.SIGTERM)
        assert run.ended(AT_ONCE) == 0, run.log
    assert not program.pid_file.exists()


def test_a_second_ctrl_c_forces(program: Any, ports: Path, gateway: Any) -> None:
    """The first one waits for a release that nobody answers, the second one does not."""
    with program.running("run", "--close-ports-on-exit", *gateway.options, str(ports)) as run:
        run.until(lambda: gateway.ports() == {8080}, "open")
        gateway.mute()
        run.signal(signal.SIGINT)
        run.logs("closing")
        run.signal(signal.SIGINT)
        assert run.ended(AT_ONCE) == 130, run.log
    assert "Traceback" not in run.log
    assert not program.pid_file.exists()


def test_a_failed_release_on_exit_is_logged_and_not_fatal(program: Any, ports: Path, gateway: Any) -> None:
    """The gateway is gone, and the stop is an orderly one all the same."""
    with program.running("run", "--close-ports-on-exit", *gateway.options, str(ports)) as run:
        run.until(lambda: gateway.ports() == {8080}, "open")
        gateway.leave()
        run.signal(signal.SIGTERM)
        assert run.ended() == 0, run.log
    assert "cannot be closed" in run.log


def test_sighup_reads_again(program: Any, ports: Path, gateway: Any) -> None:
    """No watch tells of an edit behind a symlink's back; SIGHUP does, and does not end the program."""
    with program.running("run", *gateway.options, "--interval", "3600", str(ports)) as run:
        run.until(lambda: gateway.ports() == {8080}, "open")
        before = run.log.count("read again")
        # Written in place and kept open: the watch waits for the writer to close it.
        with ports.open("a") as writer:
            writer.write("8081;TCP\n")
            writer.flush()
            time.sleep(0.2)
            assert run.log.count("read again") == before
            run.signal(signal.SIGHUP)
            run.until(lambda: gateway.ports() == {8080, 8081}, "read again")
        run.signal(signal.SIGTERM)
        assert run.ended(AT_ONCE) == 0, run.log


def test_sighup_does_not_end_one_pass(program: Any, ports: Path, silence: tuple[str, ...]) -> None:
    """There is nothing to read again, and no reason to die."""
    with program.running("run", "--oneshot", *silence, "--backend", "pcp", str(ports)) as run:
        run.until(lambda: program.pid_file.exists() and program.pid_file.read_text(), "started")
        run.signal(signal.SIGHUP)
        assert run.ended() == 3, run.log
