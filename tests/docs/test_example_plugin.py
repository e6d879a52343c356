"""The example plugin of the documentation works as described."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from portmapper.api.events import Event, EventKind
from portmapper.api.model import Protocol

Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def example(root: Path) -> Path:
    """Return the directory of the example."""
    return root / "docs" / "plugins" / "example"


@pytest.fixture
def installed(example: Path, tmp_path: Path) -> Path:
    """Create the files that pip installs: the module, and metadata with its entry points."""
    project = tomllib.loads((example / "pyproject.toml").read_text())["project"]
    site = tmp_path / "site"
    info = site / f"portmapper_plain-{project['version']}.dist-info"
    info.mkdir(parents=True)
    shutil.copy(example / "portmapper_plain.py", site)
    shutil.copy(example / "home.ports", tmp_path)
    (info / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    lines = [f"{name} = {where}" for name, where in project["entry-points"]["portmapper"].items()]
    (info / "entry_points.txt").write_text("\n".join(["[portmapper]", *lines, ""]))
    return site


def _module(example: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("portmapper_plain", example / "portmapper_plain.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_plugin_is_loaded_with_everything_it_provides(installed: Path, shell: Shell) -> None:
    """After installation, `portmapper plugins` lists the format and the observer."""
    reports = json.loads(shell("portmapper plugins --json", PYTHONPATH=str(installed)).stdout)
    plain = next(report for report in reports if report["name"] == "plain")
    assert (plain["state"], plain["distribution"]) == ("loaded", "portmapper-plain")
    assert plain["provides"] == ["format:plain", "observer:stderr"]


def test_the_format_reads_the_example_list(installed: Path, shell: Shell) -> None:
    """The suffix selects the format, and each row keeps its line number."""
    result = shell("portmapper check --json home.ports", PYTHONPATH=str(installed))
    document = json.loads(result.stdout)
    assert result.returncode == 0
    assert [(m["protocol"], m["port"], m["where"]) for m in document["mappings"]] == [
        ("TCP", 8080, "line 2"),
        ("UDP", 2722, "line 3"),
        ("UDP", 2723, "line 3"),
    ]


async def test_the_observer_prints_opened_ports(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The observer prints opened ports and ignores other events."""
    observer = _module(example).StderrObserver()
    for kind in (EventKind.OPENED, EventKind.CLOSED):
        await observer.observe(
            Event(at=datetime.now(UTC), kind=kind, protocol=Protocol.TCP, external_port=80, comment="web")
        )
    assert capsys.readouterr().err == "TCP 80 is open: web\n"
