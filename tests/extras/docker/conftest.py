"""A real engine: Podman with a separate store and socket, and an image that contains only busybox."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from podman_engine import PACKAGES, Podman


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
