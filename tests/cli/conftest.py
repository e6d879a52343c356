"""Fixtures that run the program and a gateway on loopback."""

from __future__ import annotations

from pathlib import Path

import pytest
from running_program import gateway, ports, program, silence, upnp_gateway, wait

__all__ = ["gateway", "ports", "program", "silence", "upnp_gateway", "wait"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The path of a settings file."""
    return tmp_path / "portmapper.toml"


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory that is the working directory of the test."""
    directory = tmp_path / "work"
    directory.mkdir()
    monkeypatch.chdir(directory)
    return directory
