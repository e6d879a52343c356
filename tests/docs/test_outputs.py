"""The output shown below a command has the form of the real output."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from output_forms import form, shown_below
from running_program import LoopbackGateway, Program, gateway, program

__all__ = ["gateway", "program"]

Shell = Callable[..., subprocess.CompletedProcess[str]]

CHECKED = [
    ("lists.md", "check ports.csv", ""),
    ("stability.md", "version", ""),
    ("service.md", "service print", ""),
    ("index.md", "demo", ""),
    ("list-open-close.md", "close 8080/tcp", "pcp"),
    ("watching.md", "history", "pcp"),
    ("quick-start.md", "open 8080", "pcp"),
    ("list-open-close.md", "open 8080", "pcp"),
    ("how-to/game-server.md", "open minecraft", "pcp"),
    ("how-to/media-server.md", "open plex", "pcp"),
    ("quick-start.md", "discover", "pcp"),
    ("how-to/cgnat.md", "discover", "upnp"),
    ("protocols.md", "discover", "upnp"),
    ("protocols/pcp.md", "discover", "pcp"),
    ("protocols/natpmp.md", "discover", "natpmp"),
    ("routeros.md", "discover --backend natpmp", "natpmp"),
    ("list-open-close.md", "list", "upnp"),
    ("protocols/upnp.md", "discover", "upnp"),
]
"""Page, command, and the protocol of the gateway that it needs."""

TABLES = ("discover", "list")
"""Commands of which only the names of the columns are compared."""

BEFORE = {"close 8080/tcp": "open 8080", "list": "open 8080", "history": "run --oneshot ports.csv"}
"""Commands that another one needs to have run."""

_CSV = "port;protocol;comment\n8080;tcp;web server\n27015;udp;game server\n"


@pytest.fixture
def serve() -> Iterator[Callable[[str], tuple[str, ...]]]:
    """Return a function that starts a gateway and returns the options to use it."""
    gateways = []

    def start(protocol: str) -> tuple[str, ...]:
        gateways.append(LoopbackGateway(protocol))
        return gateways[-1].options

    yield start
    for started in gateways:
        started.close()


@pytest.mark.parametrize(("page", "command", "protocol"), CHECKED)
def test_the_output_has_the_form_of_the_real_one(
    page: str,
    command: str,
    protocol: str,
    root: Path,
    shell: Shell,
    serve: Callable[..., tuple[str, ...]],
    tmp_path: Path,
) -> None:
    """Each line of a result; of a table, the names of its columns."""
    shown = [
        form(line)
        for line in shown_below((root / "docs" / page).read_text(encoding="utf-8"), f"portmapper {command}")
    ]
    (tmp_path / "ports.csv").write_text(_CSV)
    options = " ".join(serve(protocol)) if protocol else ""
    state = {"STATE_DIRECTORY": str(tmp_path / "state")}
    if command in BEFORE:
        prepared = shell(f"portmapper {BEFORE[command]} {options}", **state)
        assert prepared.returncode == 0, prepared.stderr
    if command == "history":
        options = ""
    finished = shell(f"portmapper {command} {options}", **state)
    assert finished.returncode == 0, finished.stderr
    real = [form(line) for line in (finished.stdout + finished.stderr).splitlines()]
    if command.split()[0] in TABLES:
        shown, real = [line.replace(" Answer", "") for line in shown[:1]], [real[0].replace(" Answer", "")]
    missing = [line for line in shown if line not in real]
    assert missing == [], f"the real output is: {real}"


@pytest.mark.parametrize("page", ["README.md", "docs/quick-start.md"])
def test_the_demo_is_shown_alike_everywhere(page: str, root: Path) -> None:
    """The output on the landing page is compared with the real one above."""
    landing = (root / "docs" / "index.md").read_text(encoding="utf-8")
    real = {form(line) for line in shown_below(landing, "portmapper demo")}
    shown = shown_below((root / page).read_text(encoding="utf-8"), "portmapper demo")
    assert {form(line) for line in shown} <= real


def test_the_verdict_of_doctor_is_as_in_the_tutorial(root: Path, program: Program, gateway: Any) -> None:
    """A program listens on the first port, and nothing on the second."""
    page = (root / "docs" / "quick-start.md").read_text(encoding="utf-8")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("0.0.0.0", 0))
        silent = str(unused.getsockname()[1])
    with socket.create_server(("0.0.0.0", 0)) as listening:
        port = str(listening.getsockname()[1])
        (program.directory / "ports.csv").write_text(_CSV.replace("8080", port).replace("27015", silent))
        assert program.run("run", "--oneshot", *gateway.options, "ports.csv").status == 0
        done = program.run("doctor", *gateway.options, "ports.csv")
    real = done.output.replace(port, "8080").replace(silent, "27015")
    assert real.splitlines() == shown_below(page, "portmapper doctor")
