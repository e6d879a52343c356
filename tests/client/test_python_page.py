"""The package's names, and the examples of the page about the Python API."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import portmapper

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def test_the_package_has_no_other_names() -> None:
    """Names are imported on first use; an unknown name is an AttributeError."""
    with pytest.raises(AttributeError):
        _ = portmapper.Server  # type: ignore[attr-defined]
    assert all(hasattr(portmapper, name) for name in portmapper.__all__)


@pytest.mark.skipif(not PAGE.exists(), reason="the wheel carries no documentation")
def test_every_example_of_the_page_runs(
    gateway: Any, options: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """With the embedded gateway instead of the reader's gateway."""
    arguments = ", ".join(f"{name}={value!r}" for name, value in options.items())
    examples = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(examples) >= 6
    for example in examples:
        code = re.sub(r"(portmapper\.(?:Sync)?Client)\(\)", rf"\1({arguments})", example)
        exec(compile(code, str(PAGE), "exec"), {"__name__": "__main__"})
        assert "8080" in capsys.readouterr().out
        assert gateway.ports() == set()
