"""A real engine: Podman serves the Docker API, and its containers come and go."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PACKAGES = {"podman": "podman", "runc": "runc", "busybox": "busybox-static"}
# A container needs these on a machine whose limits root may not raise.
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--network=host")

pytestmark = pytest.mark.lab


class Podman:
    """An engine with a store of its own, serving on a socket; `run` starts a container."""

    def __init__(self, place: Path) -> None:
        self.socket = place / "podman.sock"
        self._command = [
            *("podman", "--root", str(place / "root"), "--runroot", str(place / "run")),
            *("--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend", "file"),
            *("--tmpdir", str(place / "tmp")),
        ]
        self._service: subprocess.Popen[bytes] | None = None

    def do(self, *words: str) -> None:
        """Run one of its commands."""
        done = subprocess.run([*self._command, *words], check=False, capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr.decode()

    def run(self, name: str, *labels: str) -> None:
        """Start a container that does nothing."""
        words = [word for label in labels for word in ("--label", label)]
        self.do(
            "run", "--detach", "--name", name, *LIMITS, *words, "localhost/idle:latest", "/bin/sleep", "600"
        )

    def serve(self) -> None:
        """Start the service."""
        words = ["system", "service", "--time=0", f"unix://{self.socket}"]
        self._service = subprocess.Popen([*self._command, *words], stderr=subprocess.DEVNULL)
        until(self.socket.exists)

    def end(self) -> None:
        """End the service."""
        if self._service is not None:
            self._service.kill()
            self._service.wait()
            self._service = None
            self.socket.unlink(missing_ok=True)


def until(condition: Callable[[], object]) -> None:
    """Wait for it."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def podman(tmp_path: Path) -> Iterator[Podman]:
    """The engine, with an image that holds only busybox."""
    missing = [package for command, package in PACKAGES.items() if shutil.which(command) is None]
    reason = f"needs the Debian packages {' '.join(missing)}" if missing else ""
    if os.geteuid() != 0:
        reason = "needs root"
    if reason:
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    # Podman takes no run root of more than 50 characters, and pytest's own directory is longer.
    place = Path(tempfile.mkdtemp(prefix="podman-"))
    engine = Podman(place)
    with tarfile.open(tmp_path / "image.tar", "w") as image:
        image.add(str(shutil.which("busybox")), "bin/busybox")
        link = tarfile.TarInfo("bin/sleep")
        link.type, link.linkname = tarfile.SYMTYPE, "busybox"
        image.addfile(link)
    try:
        engine.do("import", "--quiet", str(tmp_path / "image.tar"), "idle")
        engine.serve()
        yield engine
    finally:
        engine.end()
        engine.do("rm", "--all", "--force", "--time", "0")
        subprocess.run(["umount", str(place / "root" / "overlay")], check=False, capture_output=True)
        shutil.rmtree(place, ignore_errors=True)


def test_run_follows_containers_as_they_come_and_go(
    podman: Podman, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    """Start, stop and restart are seen by events; an engine that is gone leaves the ports as they were."""
    state = tmp_path / "state"
    port = free_port()
    podman.run("web", "portmapper.port=8080/tcp", "portmapper.port.bad=x/tcp")
    words = ["run", f"docker://{podman.socket}", "--state-dir", str(state), "--interval", "3600"]
    words += ["--gateway", f"127.0.0.1:{port}", "--backend", "pcp"]
    program = [sys.executable, "-P", "-m", "portmapper.cli.main"]

    def listed() -> tuple[str, list[int], list[str]]:
        """Ask the daemon for its source: state, wanted ports, places rejected."""
        requested = [*program, "status", "--json", "--state-dir", str(state)]
        done = subprocess.run(requested, check=False, capture_output=True, timeout=60)
        document = json.loads(done.stdout or b"{}")
        if not document.get("sources"):
            return "", [], []
        (source,) = document["sources"]
        ports = sorted(mapping["wanted_external_port"] for mapping in document["mappings"])
        return source["state"], ports, [bad["where"] for bad in source["rejected"]]

    with (tmp_path / "log").open("wb") as log:
        daemon = subprocess.Popen([*program, *words], stderr=log, stdout=log)
    try:
        bad = ["container web, label portmapper.port.bad"]
        until(lambda: listed() == ("ok", [8080], bad))
        podman.run("dns", "portmapper.port=53/both")
        until(lambda: listed() == ("ok", [53, 53, 8080], bad))
        podman.do("stop", "--time", "0", "web")
        until(lambda: listed() == ("ok", [53, 53], []))
        podman.do("restart", "--time", "0", "web")
        until(lambda: listed() == ("ok", [53, 53, 8080], bad))
        podman.end()
        until(lambda: listed()[:2] == ("stale", [53, 53, 8080]))
        podman.do("stop", "--time", "0", "dns")
        podman.serve()
        until(lambda: listed() == ("ok", [8080], bad))
    finally:
        daemon.terminate()
        daemon.wait(60)
