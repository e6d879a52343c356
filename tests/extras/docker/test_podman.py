"""A real engine: Podman with the Docker API, and containers that start and stop."""

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
# Needed on machines where root may not raise its limits.
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--network=host")

pytestmark = pytest.mark.lab


class Podman:
    """A Podman engine with a separate store and socket."""

    def __init__(self, place: Path) -> None:
        self.socket = place / "podman.sock"
        self._command = [
            *("podman", "--root", str(place / "root"), "--runroot", str(place / "run")),
            *("--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend", "file"),
            *("--tmpdir", str(place / "tmp")),
        ]
        self._service: subprocess.Popen[bytes] | None = None

    def do(self, *words: str) -> None:
        """Run a Podman command."""
        done = subprocess.run([*self._command, *words], check=False, capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr.decode()

    def run(self, name: str, *labels: str) -> None:
        """Start a container that only sleeps."""
        words = [word for label in labels for word in ("--label", label)]
        self.do(
            "run", "--detach", "--name", name, *LIMITS, *words, "localhost/idle:latest", "/bin/sleep", "600"
        )

    def serve(self) -> None:
        """Start the API service."""
        words = ["system", "service", "--time=0", f"unix://{self.socket}"]
        self._service = subprocess.Popen([*self._command, *words], stderr=subprocess.DEVNULL)
        until(self.socket.exists)

    def end(self) -> None:
        """Stop the API service."""
        if self._service is not None:
            self._service.kill()
            self._service.wait()
            self._service = None
            self.socket.unlink(missing_ok=True)


def until(condition: Callable[[], object]) -> None:
    """Wait until the condition is true."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def podman(tmp_path: Path) -> Iterator[Podman]:
    """A Podman engine with an image that contains only busybox."""
    missing = [package for command, package in PACKAGES.items() if shutil.which(command) is None]
    reason = f"needs the Debian packages {' '.join(missing)}" if missing else ""
    if os.geteuid() != 0:
        reason = "needs root"
    if reason:
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    # Podman limits the run root to 50 characters, and pytest's directory is longer.
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


def test_run_follows_containers_as_they_start_and_stop(
    podman: Podman, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    """Events report start, stop and restart; while the engine is down, the ports stay open."""
    state = tmp_path / "state"
    port = free_port()
    podman.run("web", "portmapper.port=8080/tcp", "portmapper.port.bad=x/tcp")
    words = ["run", f"docker://{podman.socket}", "--state-dir", str(state), "--interval", "3600"]
    words += ["--gateway", f"127.0.0.1:{port}", "--backend", "pcp"]
    program = [sys.executable, "-P", "-m", "portmapper.cli.main"]

    def listed() -> tuple[str, list[int], list[str]]:
        """Return the source's state, the desired ports and the rejected places from `status`."""
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
