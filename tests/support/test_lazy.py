"""Names of submodules are imported on first use."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Create a package with one lazy name and return the package's name."""
    folder = tmp_path / "lazy_example"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from portmapper.support.lazy import lazy_exports\n"
        "__getattr__ = lazy_exports(__name__, {'inner': ('VALUE',)})\n"
    )
    (folder / "inner.py").write_text("VALUE = object()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("lazy_example", "lazy_example.inner"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return "lazy_example"


def test_a_submodule_is_imported_on_first_use(package: str) -> None:
    """Afterwards the name is a plain attribute of the package."""
    module = __import__(package)
    assert f"{package}.inner" not in sys.modules
    value = module.VALUE
    assert f"{package}.inner" in sys.modules
    assert vars(module)["VALUE"] is value


def test_an_unknown_name_is_an_attribute_error(package: str) -> None:
    """The message is the one that Python gives for any module."""
    module = __import__(package)
    with pytest.raises(AttributeError, match="module 'lazy_example' has no attribute 'OTHER'"):
        _ = module.OTHER
