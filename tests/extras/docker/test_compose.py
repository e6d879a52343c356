"""The compose file runs with a real engine, as it is printed."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from podman_engine import Podman

pytestmark = pytest.mark.lab

ROOT = Path(__file__).parents[3]
# The image has no portmapper, and root may not raise its limits on each machine.
OVERRIDE = """
services:
  portmapper:
    command: [/bin/sleep, "600"]
    ulimits: {nofile: 1024, nproc: 1024}
"""


def test_the_compose_file_starts_a_hardened_container(podman: Podman, tmp_path: Path) -> None:
    """It has the host's network, no capability, a volume for its state, and reads the settings."""
    program = shutil.which("podman-compose")
    if program is None and os.environ.get("CI") != "true":
        pytest.skip("needs the program podman-compose, which `nox -s extras` installs")
    assert program is not None
    settings = tmp_path / "etc"
    settings.mkdir()
    printed = (ROOT / "compose.yaml").read_text()
    assert "- /etc/portmapper:/etc/portmapper:ro\n" in printed
    (tmp_path / "compose.yaml").write_text(printed.replace("- /etc/portmapper:", f"- {settings}:"))
    (tmp_path / "override.yaml").write_text(OVERRIDE)
    engine = tmp_path / "engine"
    engine.write_text(f'#!/bin/sh\nexec {shlex.join(podman.command)} "$@"\n')
    engine.chmod(0o755)
    podman.do("tag", "idle", "portmapper")
    compose = [program, "--podman-path", str(engine)]
    compose += ["--file", "compose.yaml", "--file", "override.yaml"]
    words = ["up", "--detach", "--no-build"]
    done = subprocess.run([*compose, *words], check=False, capture_output=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    names = podman.do("ps", "--format", "{{.Names}}").split()
    (facts,) = json.loads(podman.do("inspect", *names))
    host = facts["HostConfig"]
    assert facts["State"]["Status"] == "running"
    assert (host["NetworkMode"], host["ReadonlyRootfs"]) == ("host", True)
    assert (facts["EffectiveCaps"], host["SecurityOpt"]) == (None, ["no-new-privileges"])
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert {(m["Type"], m["Destination"], m["RW"]) for m in facts["Mounts"]} == {
        ("bind", "/etc/portmapper", False),
        ("volume", "/var/lib/portmapper", True),
    }
