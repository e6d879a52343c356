"""The demonstration that needs no router."""

from __future__ import annotations

import re
import subprocess
import sys


def test_the_demo_connects_through_every_port_it_opened() -> None:
    """Over each protocol one TCP and one UDP port answer, and the status is 0."""
    finished = subprocess.run(
        [sys.executable, "-P", "-m", "portmapper.cli.main", "demo"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    answers = re.findall(r"answers: hello over (TCP|UDP), opened by (\w+)", finished.stdout)
    assert answers == [
        (protocol, backend) for backend in ("pcp", "natpmp", "upnp") for protocol in ("TCP", "UDP")
    ]
    assert finished.stdout.count(" active ") == 6
