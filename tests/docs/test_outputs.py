"""The output shown below a command has the form of the real output."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running_program import LoopbackGateway

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
    for gateway in gateways:
        gateway.close()


def _shown(page: str, command: str) -> list[str]:
    """Return the lines below the first block with that command."""
    found = re.search(
        rf"```sh\nportmapper {re.escape(command)}[^\n]*\n```\n\n(?:[^`\n]+\n\n)?```text\n(.*?)```",
        page,
        re.DOTALL,
    )
    assert found is not None, f"no output below {command}"
    return found[1].splitlines()


def _form(line: str) -> str:
    """Replace what differs from one network to another: addresses, numbers, times and widths."""
    line = re.sub(r"\d+\.\d+\.\d+\.\d+", "ADDRESS", line)
    line = re.sub(r"(?<=ADDRESS:)\d+|\b\d{5}(?=/)", "PORT", line)
    line = re.sub(r"\d{4}-\d\d-\d\d [0-9:]+([+-][0-9:]+)?", "TIME", line)
    line = re.sub(r"\d+[dhms]( \d+[dhms])?\b", "DURATION", line)
    return re.sub(r"\s+", " ", re.sub(r"(?<!/)\b\d+ ms", "N ms", line)).strip()


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
    shown = [_form(line) for line in _shown((root / "docs" / page).read_text(encoding="utf-8"), command)]
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
    real = [_form(line) for line in (finished.stdout + finished.stderr).splitlines()]
    if command in TABLES:
        shown, real = [line.replace(" Answer", "") for line in shown[:1]], [real[0].replace(" Answer", "")]
    missing = [line for line in shown if line not in real]
    assert missing == [], f"the real output is: {real}"
