"""The command `demo`."""

from __future__ import annotations

import argparse
import re
import socket
import subprocess
import sys

import pytest

from portmapper_simulator import demo_command


def test_the_demo_connects_through_every_port_it_opened() -> None:
    """One TCP and one UDP port answer over each protocol, and the exit status is 0."""
    finished = subprocess.run(
        [sys.executable, "-P", "-m", "portmapper.cli.main", "demo"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    answers = re.findall(r"answers: hello over (TCP|UDP), opened over ([\w-]+)", finished.stdout)
    assert answers == [
        (protocol, backend) for backend in ("PCP", "NAT-PMP", "UPnP") for protocol in ("TCP", "UDP")
    ]
    assert finished.stdout.count(" is open over ") == 6


def test_a_narrow_terminal_breaks_no_address(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line fits, or is one word."""
    monkeypatch.setattr(demo_command, "width_of", lambda stream: 40)
    monkeypatch.setattr(demo_command, "GATEWAYS", {"pcp": "PCP"})
    assert demo_command.Demo().run(argparse.Namespace()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 40
    assert any(re.search(r"127\.0\.0\.1:[0-9]+ answers: hello", line) for line in lines)


def test_a_port_that_another_program_takes_is_replaced(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A free port may be in use by the time the gateway opens it."""
    with socket.create_server((demo_command.HOST, 0)) as taken:
        ports = [taken.getsockname()[1]]
        find = demo_command._free_port
        monkeypatch.setattr(demo_command, "_free_port", lambda: ports.pop() if ports else find())
        monkeypatch.setattr(demo_command, "GATEWAYS", {"upnp": "UPnP"})
        assert demo_command.Demo().run(argparse.Namespace()) == 0
    assert capsys.readouterr().out.count("answers: hello") == 2
