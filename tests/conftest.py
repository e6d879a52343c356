"""What holds for every test: no setting and no directory of the person who runs them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Machines of CI are slow in bursts; a slow example is no finding, a random one nobody can repeat is none.
settings.register_profile("portmapper", deadline=None, derandomize=True)
settings.load_profile("portmapper")


@pytest.fixture(autouse=True)
def own_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the program away from the configuration, state and terminal of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("PORTMAPPER_")]:
        monkeypatch.delenv(name)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for kind in ("CONFIG", "STATE", "CACHE", "DATA"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind.lower()))
