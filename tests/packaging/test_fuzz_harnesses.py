"""The fuzz harnesses still fit the parsers that they call. nox -s fuzz, which runs them, is not run by CI."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FUZZ = Path(__file__).parents[2] / "fuzz"

WHOLE_CLIENTS = {"fuzz_gateway", "fuzz_http_api", "fuzz_port_5351"}
"""They keep their sockets until the process ends."""

PARSERS = [path for path in sorted(FUZZ.glob("fuzz_*.py")) if path.stem not in WHOLE_CLIENTS]


@pytest.fixture(autouse=True)
def without_atheris(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fuzzer itself is not needed to parse the seeds."""
    atheris: Any = ModuleType("atheris")
    atheris.instrument_imports = lambda include: contextlib.nullcontext()
    monkeypatch.setitem(sys.modules, "atheris", atheris)
    monkeypatch.syspath_prepend(str(FUZZ))


@pytest.mark.parametrize("path", PARSERS, ids=lambda path: path.stem)
def test_a_harness_parses_its_seeds(path: Path) -> None:
    """With a value or an error of the project."""
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None
    assert specification.loader is not None
    harness: Any = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(harness)
    only_our_errors = sys.modules["harness"].__dict__["_only_our_errors"]
    for seed in harness.SEEDS:
        only_our_errors(harness.parse, seed)
