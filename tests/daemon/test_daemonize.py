"""`--daemon` detaches as Unix daemons do, and what is wrong is told before it does."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="--daemon needs fork")

PROC = Path("/proc")


@pytest.fixture
def detached(program: Any) -> Iterator[None]:
    """End the daemon that the test leaves."""
    yield
    with contextlib.suppress(OSError, ValueError):
        os.kill(int(program.pid_file.read_text()), signal.SIGKILL)


def detach(program: Any, *arguments: str, **more: Any) -> int:
    """Launch a daemon and return the pid that its file names."""
    finished = program.run("run", "--daemon", *arguments, **more)
    assert (finished.status, finished.output, finished.errors) == (0, "", "")
    text = program.pid_file.read_text()
    assert text == f"{int(text)}\n"
    return int(text)


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended; in a container nobody may be there to reap it."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


@pytest.mark.skipif(not PROC.exists(), reason="looks at /proc")
@pytest.mark.usefixtures("detached")
def test_the_daemon_is_one(program: Any, ports: Path, silence: tuple[str, ...]) -> None:
    """No terminal, no directory, no stream of the caller's; a session that it does not lead; umask 027."""
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
    """The next command of a script may count on it."""
    detach(program, *silence, str(ports))
    with program.pid_file.open("rb") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.usefixtures("detached")
@pytest.mark.parametrize("second", [["--daemon"], [], ["--oneshot"], ["--only-close-ports"]], ids=str)
def test_a_second_instance_says_who_holds_the_lock(
    program: Any, ports: Path, silence: tuple[str, ...], second: list[str]
) -> None:
    """Exit 4 with the holder's pid, in the foreground too."""
    pid = detach(program, *silence, str(ports))
    finished = program.run("run", *second, *silence, str(ports))
    assert (finished.status, finished.output) == (4, "")
    assert f"process {pid} holds {program.pid_file}" in finished.errors
    assert not is_gone(pid)


def test_the_foreground_holds_the_lock_too(program: Any, ports: Path, silence: tuple[str, ...]) -> None:
    """A named pid file counts whatever the state directory is."""
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
    """The lock ended with its process, whatever the file says."""
    program.state.mkdir()
    program.pid_file.write_text("1\n")
    with program.running("run", *silence, str(ports)) as run:
        run.logs("keeping")
        assert program.pid_file.read_text() == f"{run.process.pid}\n"


def test_a_stop_removes_the_pid_file(program: Any, ports: Path, silence: tuple[str, ...], wait: Any) -> None:
    """SIGTERM right after the launch is an orderly stop."""
    pid = detach(program, *silence, str(ports))
    os.kill(pid, signal.SIGTERM)
    wait(lambda: is_gone(pid), "stopped")
    assert not program.pid_file.exists()


@pytest.mark.parametrize("trouble", ["no file", "no list", "no gateway's name", "no directory"])
def test_what_is_wrong_is_told_before_detaching(program: Any, ports: Path, trouble: str) -> None:
    """One line on standard error, the exit status of the contract, and no pid file."""
    more: list[str] = []
    if trouble == "no file":
        ports.unlink()
    elif trouble == "no list":
        ports.write_text("nothing of the kind\n")
    elif trouble == "no gateway's name":
        more = ["--gateway", "router"]
    else:
        (program.directory / "a file").touch()
        more = ["--state-dir", str(program.directory / "a file" / "state")]
        more += ["--pid-file", str(program.directory / "my.pid")]
    finished = program.run("run", "--daemon", *more, str(ports))
    assert finished.status == (1 if trouble == "no directory" else 2)
    assert len(finished.errors.splitlines()) == 1
    assert not program.pid_file.exists()
    assert not (program.directory / "my.pid").exists()


@pytest.mark.usefixtures("detached")
def test_standard_input_is_read_before_detaching(program: Any, gateway: Any, wait: Any) -> None:
    """The launcher has it, and the daemon keeps it."""
    detach(program, "-f", "-", *gateway.options, stdin="port;protocol\n8080;TCP\n")
    wait(lambda: gateway.ports() == {8080}, "open")


@pytest.mark.usefixtures("detached")
def test_the_daemon_logs_to_its_file(program: Any, ports: Path, gateway: Any, wait: Any) -> None:
    """Events, and an error after detaching; the level comes from the environment."""
    log = program.directory / "portmapper.log"
    program.environment["PORTMAPPER_LOG"] = "INFO"
    detach(program, "--log-file", str(log), *gateway.options, "ports.csv")
    wait(lambda: "opened TCP" in log.read_text(), "logged")
    ports.unlink()
    wait(lambda: "no such file; its last good list is kept" in log.read_text(), "logged")
    assert stat.S_IMODE(log.stat().st_mode) & 0o002 == 0


@pytest.mark.parametrize("flag", ["--foreground", "--oneshot", "--only-close-ports"])
def test_daemon_goes_with_nothing_that_ends(program: Any, ports: Path, flag: str) -> None:
    """A usage error, before anything is read."""
    finished = program.run("run", "--daemon", flag, str(ports))
    assert finished.status == 2
    assert "--daemon" in finished.errors
