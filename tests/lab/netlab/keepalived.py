"""Debian's keepalived on a host of the lab, with the configuration of the documentation."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from netlab.namespaces import Namespace

PAGE = Path(__file__).parents[3] / "docs" / "two-servers.md"
GLOBAL = "global_defs {\n    router_id lab\n    vrrp_startup_delay 0\n}\n"


def documented_configuration(priority: int) -> str:
    """Return the configuration of docs/two-servers.md with another priority."""
    block = re.search(r"```text\n( *vrrp_instance .*?)```", PAGE.read_text(), re.DOTALL)
    assert block is not None, "the page shows the configuration"
    return re.sub(r"priority \d+", f"priority {priority}", block[1])


@contextlib.contextmanager
def keepalived(namespace: Namespace, directory: Path, priority: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run keepalived in a namespace; kill it at the end."""
    configuration = directory / "keepalived.conf"
    configuration.write_text(GLOBAL + documented_configuration(priority))
    pids = ("-p", str(directory / "keepalived.pid"), "-r", str(directory / "vrrp.pid"))
    command = namespace.command("keepalived", "-n", "-l", "-P", *pids, "-f", str(configuration))
    with (directory / "keepalived.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
