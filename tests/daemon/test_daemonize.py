"""`--daemon` detaches as Unix daemons do, and reports errors before it returns."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

fcntl = pytest.importorskip("fcntl", reason="--daemon needs fork")

PROC = Path("/proc")


@pytest.fixture
def detached(program: Any) -> Iterator[None]:
    """Kill the daemon that the test started."""
    yield
    with contextlib.suppress(OSError, ValueError):
        os.kill(int(program.pid_file.read_text()), signal.SIGKILL)


def detach(program: Any, *arguments: str, **more: Any) -> int:
    """Start a daemon and return the pid in its pid file."""
    finished = program.run("run", "--daemon", *arguments, **more)
    assert (finished.status, finished.output, finished.errors) == (0, "", "")
    text = program.pid_file.read_text()
    assert text == f"{int(text)}\n"
    return int(text)


def is_gone(pid: int) -> bool:
    """Return whether a process has ended; in a container, it may remain as a zombie."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


@pytest.mark.skipif(not PROC.exists(), reason="looks at /proc")
@pytest.mark.usefixtures("detached")
def test_the_daemon_is_detached_from_its_launcher(
    program: Any, ports: Path, silence: tuple[str, ...]
) -> None:
    """It keeps no terminal, directory or stream of the caller, leads no session, and uses umask 027."""
    pid = detach(program, *silence, str(ports))
    process = PROC / str(pid)
    assert (process / "cwd").readlink() == Path("/")
    assert {(process / "fd" / stream).readlink() for stream in "012"} == {Path(os.devnull)}
    assert "Umask:\t0027" in (process / "status").read_text()
    assert os.getsid(pid) not in (pid, os.getsid(0))
    assert os.getpgid(pid) == os.getsid(pid)


@pytest.mark.usefixtures("detached")
def test_the_pid_file_is_written_and_locked_when_the_launcher_returns(
    program: Any, ports: Path, silence: tuple[str, ...]
) -> None:
    """The next command of a script can rely on it."""
    detach(program, *silence, str(ports))
    with program.pid_file.open("rb") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.usefixtures("detached")
@pytest.mark.parametrize("second", [["--daemon"], [], ["--oneshot"], ["--only-close-ports"]], ids=str)
def test_a_second_instance_reports_the_holder(
    program: Any, ports: Path, silence: tuple[str, ...], second: list[str]
) -> None:
    """Exit status 4, with the holder's pid; a run in the foreground checks the lock, too."""
    pid = detach(program, *silence, str(ports))
    finished = program.run("run", *second, *silence, str(ports))
    assert (finished.status, finished.output) == (4, "")
    assert f"process {pid} holds {program.pid_file}" in finished.errors
    assert not is_gone(pid)


def test_a_run_in_the_foreground_holds_the_lock(program: Any, ports: Path, silence: tuple[str, ...]) -> None:
    """A named pid file is locked regardless of the state directory."""
    pid_file = program.directory / "my.pid"
    with program.running("run", "--pid-file", str(pid_file), *silence, str(ports)) as run:
        run.logs("keeping")
        assert pid_file.read_text() == f"{run.process.pid}\n"
        state = str(program.directory / "other")
        finished = program.run("run", "--pid-file", str(pid_file), "--state-dir", state, str(ports))
        assert finished.status == 4
        assert f"process {run.process.pid} " in finished.errors
        run.signal(signal.SIGTERM)
        assert run.ended() == 0
    assert not pid_file.exists()


def test_a_pid_file_that_a_crash_left_is_taken_over(
    program: Any, ports: Path, silence: tuple[str, ...]
) -> None:
    """The lock ended with its process, and the old pid is overwritten."""
    program.state.mkdir()
    program.pid_file.write_text("1\n")
    with program.running("run", *silence, str(ports)) as run:
        run.logs("keeping")
        assert program.pid_file.read_text() == f"{run.process.pid}\n"


def test_a_stop_removes_the_pid_file(program: Any, ports: Path, silence: tuple[str, ...], wait: Any) -> None:
    """SIGTERM immediately after the launch is an orderly stop."""
    pid = detach(program, *silence, str(ports))
    os.kill(pid, signal.SIGTERM)
    wait(lambda: is_gone(pid), "stopped")
    assert not program.pid_file.exists()


@pytest.mark.parametrize("problem", ["no file", "no list", "no gateway's name", "no directory"])
def test_errors_are_reported_before_detaching(program: Any, ports: Path, problem: str) -> None:
    """One line on standard error, the exit status of the contract, and no pid file."""
    more: list[str] = []
    if problem == "no file":
        ports.unlink()
    elif problem == "no list":
        ports.write_text("nothing of the kind\n")
    elif problem == "no gateway's name":
        more = ["--gateway", "router"]
    else:
        (program.directory / "a file").touch()
        more = ["--state-dir", str(program.directory / "a file" / "state")]
        more += ["--pid-file", str(program.directory / "my.pid")]
    finished = program.run("run", "--daemon", *more, str(ports))
    assert finished.status == (1 if problem == "no directory" else 2)
    assert len(finished.errors.splitlines()) == 1
    assert not program.pid_file.exists()
    assert not (program.directory / "my.pid").exists()


@pytest.mark.usefixtures("detached")
def test_standard_input_is_read_before_detaching(program: Any, gateway: Any, wait: Any) -> None:
    """Only the launching process can read it; the daemon keeps the mappings."""
    detach(program, "-f", "-", *gateway.options, stdin="port;protocol\n8080;TCP\n")
    wait(lambda: gateway.ports() == {8080}, "open")


@pytest.mark.usefixtures("detached")
def test_the_daemon_logs_to_its_file(program: Any, ports: Path, gateway: Any, wait: Any) -> None:
    """Events, and errors after detaching; the environment sets the level."""
    log = program.directory / "portmapper.log"
    program.environment["PORTMAPPER_LOG"] = "INFO"
    detach(program, "--log-file", str(log), *gateway.options, "ports.csv")
    wait(lambda: "opened 8080/tcp" in log.read_text(), "logged")
    ports.unlink()
    wait(lambda: "no such file; its last good list is kept" in log.read_text(), "logged")
    assert stat.S_IMODE(log.stat().st_mode) & 0o002 == 0


@pytest.mark.parametrize("flag", ["--foreground", "--oneshot", "--only-close-ports"])
def test_daemon_excludes_options_that_end_the_run(program: Any, ports: Path, flag: str) -> None:
    """This is a usage error, before anything is read."""
    finished = program.run("run", "--daemon", flag, str(ports))
    assert finished.status == 2
    assert "--daemon" in finished.errors
