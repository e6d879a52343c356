"""A daemon without the listener."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from running_program import until

SCRIPT = """
import json, sys
from portmapper.cli.main import main
main(sys.argv[1:])
kinds = ("portmapper.http", "portmapper_web.", "aiohttp.web", "jinja2")
print(json.dumps([name for name in sys.modules if name.startswith(kinds)]))
"""


def test_nothing_of_the_listener_is_loaded(gateway: Any, ports: Path, tmp_path: Path) -> None:
    """Neither its modules nor a page or a template engine."""
    log = tmp_path / "log"
    command = [
        sys.executable,
        "-P",
        "-c",
        SCRIPT,
        "run",
        *gateway.options,
        "--log-file",
        str(log),
        str(ports),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(os.environ), text=True) as daemon:
        try:
            until(lambda: log.exists() and "opened 8080/tcp" in log.read_text(), "open")
        finally:
            daemon.send_signal(signal.SIGTERM)
            output, _ = daemon.communicate(timeout=60)
    names = [name for name in json.loads(output.splitlines()[-1]) if name != "portmapper_web.plugin"]
    assert names == []
