"""Builds the container image from a tree of Debian, and checks the image as a user runs it.

    python packaging/checks/container.py CACHE WHEELS

It needs root, podman and debootstrap. WHEELS has the wheel of portmapper and its dependencies.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BASE, IMAGE, NAME = "localhost/portmapper-base", "localhost/portmapper-check", "portmapper-check"
RELEASE = "bookworm"
PACKAGES = "python3,python3-venv,ca-certificates"
MOST_BYTES = 90_000_000
LIMIT = 60.0
# Without these, podman fails where the limits of the host are low.
RUN = ("--runtime", "runc", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--network=host")
HARDENED = ("--read-only", "--cap-drop=all", "--security-opt", "no-new-privileges")


def podman(*words: str, check: bool = True) -> str:
    """Run podman and return its output."""
    done = subprocess.run(["podman", *words], check=False, capture_output=True, text=True, timeout=600)
    if check and done.returncode:
        raise AssertionError(f"podman {words[0]} failed: {done.stdout[-1500:]}{done.stderr[-1500:]}")
    return done.stdout + done.stderr


def import_base(cache: Path) -> None:
    """Make an image of a minimal Debian with Python."""
    archive = cache / f"{RELEASE}-python.tar"
    if not archive.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as tree:
            command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", RELEASE, tree]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            unfinished = archive.with_suffix(".unfinished")
            subprocess.run(["tar", "-C", tree, "--exclude=./dev/*", "-cf", unfinished, "."], check=True)
            unfinished.rename(archive)
    podman("import", "--quiet", str(archive), BASE)


def build(wheels: Path) -> None:
    """Build the image from a copy of the source with the wheels, as if offline."""
    with tempfile.TemporaryDirectory() as directory:
        for name in (
            "LICENSE",
            "README.md",
            "NOTICES.md",
            "pyproject.toml",
            "Containerfile",
            ".containerignore",
        ):
            shutil.copy(ROOT / name, directory)
        shutil.copytree(ROOT / "packaging", Path(directory, "packaging"))
        shutil.copytree(wheels, Path(directory, "wheels"))
        words = ("--build-arg", f"BASE={BASE}", "--format", "docker", "--tag", IMAGE, directory)
        podman("build", "--runtime", "runc", *RUN[2:], *words)


def inspect() -> dict[str, Any]:
    """Return what podman knows of the image."""
    return dict(json.loads(podman("image", "inspect", IMAGE))[0])


def check_image() -> None:
    """The image is small, has labels and a health check, and names a user other than root."""
    facts = inspect()
    print(f"{facts['Size'] / 1e6:.1f} MB")
    assert facts["Size"] <= MOST_BYTES, f"the image has {facts['Size'] / 1e6:.1f} MB"
    assert facts["Config"]["User"] not in ("", "0", "root"), facts["Config"]["User"]
    assert facts["Labels"]["org.opencontainers.image.licenses"] == "MIT"
    assert "health" in str(facts.get("Healthcheck") or facts["Config"].get("Healthcheck"))


def check_commands() -> None:
    """The commands work in a read-only container without capabilities."""
    for words in (["--version"], ["plugins"], ["demo"]):
        podman("run", "--rm", *RUN, *HARDENED, IMAGE, *words)


def check_service(directory: Path) -> None:
    """Without a list, it waits and says so; with one, it opens the ports and is healthy."""
    directory.chmod(0o755)
    (directory / "portmapper.toml").write_text('sources = ["ports.csv"]\ngateway = ["127.0.0.1:5399"]\n')
    mount = ("--volume", f"{directory}:/etc/portmapper:ro", "--volume", "/var/lib/portmapper")
    podman("run", "--detach", "--name", NAME, *RUN, *HARDENED, *mount, IMAGE)
    try:
        until(lambda: "ports.csv" in podman("logs", NAME), "the missing list is in the log")
        assert json.loads(podman("container", "inspect", NAME))[0]["State"]["Running"]
        gateway = ("simulate", "--pcp-port", "5399", "--http-port", "0", "--ssdp-port", "0")
        podman("run", "--detach", "--name", f"{NAME}-gateway", *RUN, *HARDENED, IMAGE, *gateway)
        until(lambda: "127.0.0.1" in podman("logs", f"{NAME}-gateway"), "the gateway runs")
        (directory / "ports.csv").write_text(f"port;protocol\n{free_port()};tcp\n")
        until(lambda: '"active"' in podman("exec", NAME, "/usr/bin/portmapper", "status", "--json"), "open")
        podman("exec", NAME, "/usr/bin/portmapper", "health")
        podman("healthcheck", "run", NAME)
    finally:
        log = podman("logs", NAME, check=False)
        podman("rm", "--force", NAME, f"{NAME}-gateway", check=False)
    print(log, end="")


def free_port() -> int:
    """Return a port that the gateway can listen on: it shares the network of this host."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def until(condition: Any, what: str) -> None:
    """Wait until a condition is true."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not {what}: {podman('logs', NAME, check=False)}")
        time.sleep(0.5)


def main() -> None:
    """Build and check."""
    import_base(Path(sys.argv[1]))
    try:
        build(Path(sys.argv[2]))
        check_image()
        check_commands()
        with tempfile.TemporaryDirectory() as directory:
            check_service(Path(directory))
    finally:
        podman("rmi", "--force", IMAGE, BASE, check=False)


if __name__ == "__main__":
    main()
