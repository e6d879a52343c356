"""NOTICES.md and the lists for releases name everything that portmapper needs."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

Script = Callable[[str], ModuleType]


@pytest.fixture
def names(root: Path) -> list[str]:
    """The direct dependencies."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [re.split(r"[>=;]", requirement)[0] for requirement in project["dependencies"]]


def test_each_dependency_is_in_the_notices(names: list[str], root: Path) -> None:
    """`nox -s audit` compares the whole file."""
    text = (root / "NOTICES.md").read_text(encoding="utf-8")
    assert [name for name in names if f"| {name} |" not in text] == []


def test_each_dependency_is_pinned_with_hashes(names: list[str], root: Path) -> None:
    """The container and the Debian package install exactly these files."""
    text = (root / "packaging/requirements.txt").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([\w.-]+)==\S+.*\\\n\s+(--hash=sha256:[0-9a-f]{64})", text, re.MULTILINE))
    assert [name for name in names if name not in pinned] == []


def test_each_dependency_has_a_floor(names: list[str], script: Script, root: Path) -> None:
    """`nox -s floors` installs them."""
    assert [text.partition("==")[0] for text in script("floors.py").floors(root)] == names


@pytest.mark.parametrize(
    ("terms", "accepted"),
    [
        *(("MIT", True), ("Apache-2.0 AND MIT", True), ("MPL-2.0", True), ("LGPL-2.1", True)),
        *(("GPL-3.0-only", False), ("GNU General Public License v2", False), ("AGPL-3.0", False)),
        *(("MIT OR GPL-2.0", True), ("unknown", False)),
    ],
)
def test_a_license_that_only_gpl_programs_may_use_is_a_problem(
    script: Script, terms: str, accepted: bool
) -> None:
    """An unknown license is a problem too."""
    found = script("checks/licenses.py").problems(f"| name | {terms} |\n")
    assert (found == []) is accepted
