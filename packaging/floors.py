"""Prints the oldest version that pyproject.toml allows of each dependency, as a constraints file.

python packaging/floors.py > floors.txt
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

_FLOOR = re.compile(r"([\w.-]+)>=([\w.]+)")


def floors(root: Path) -> list[str]:
    """Return the constraints."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [f"{name}=={version}" for name, version in map(_parts, project["dependencies"])]


def _parts(requirement: str) -> tuple[str, str]:
    match = _FLOOR.match(requirement)
    assert match is not None, requirement
    return match[1], match[2]


if __name__ == "__main__":
    print("\n".join(floors(Path(__file__).parents[1])))
