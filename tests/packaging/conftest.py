"""Fixtures for tests of the metadata and the packages: they need the source tree, which a wheel lacks."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Skip these tests where there is no `packaging` folder."""
    is_test = collection_path.name.startswith("test_")
    return True if is_test and not (ROOT / "packaging" / "metadata_hook.py").exists() else None


@pytest.fixture
def root() -> Path:
    """The folder of the source tree."""
    return ROOT


@pytest.fixture
def script(root: Path) -> Callable[[str], ModuleType]:
    """Return a function that imports a script of `packaging`."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(Path(name).stem, root / "packaging" / name)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(autouse=True)
def unchanged_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo what a script adds to the import path."""
    monkeypatch.setattr(sys, "path", list(sys.path))
