"""Loads plugins that a test makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from made_plugins import EntryPoint

import portmapper.pluginhost.manager
from portmapper.pluginhost.manager import Plugins, load_plugins


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Plugins]:
    """Load only these entry points."""

    def loaded(*entry_points: EntryPoint, disabled: Sequence[str] = ()) -> Plugins:
        monkeypatch.setattr(portmapper.pluginhost.manager, "_entry_points", lambda: list(entry_points))
        return load_plugins(disabled)

    return loaded
