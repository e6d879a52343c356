"""A real engine: Podman with the Docker API, and containers that start and stop."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from podman_engine import Podman, until

pytestmark = pytest.mark.lab


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
