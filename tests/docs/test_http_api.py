"""The page on the HTTP API is generated from the description that the server uses."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from portmapper.control.operations import OPERATIONS


@pytest.fixture
def extension(root: Path) -> Any:
    """The Sphinx extension."""
    path = root / "docs" / "_extensions" / "http_api.py"
    spec = importlib.util.spec_from_file_location("http_api", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_lists_every_request(root: Path, extension: Any) -> None:
    """With its fields."""
    source = [(root / "docs" / "http-api.md").read_text(encoding="utf-8")]
    extension.fill_in(None, "http-api", source)
    for operation in OPERATIONS:
        assert f"`{operation.method} {operation.path}`\n: {operation.summary}" in source[0]
    assert "- `external_address`: string or null" in source[0]
