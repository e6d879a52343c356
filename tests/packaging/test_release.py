"""A tag is released only with an address, the right version, and notes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

Script = Callable[[str], ModuleType]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A source tree that can be released as v1.2.3."""
    for name, text in {
        "pyproject.toml": '[tool.portmapper]\naddress = "https://code.example/portmapper"\n',
        "portmapper/__init__.py": '"""Doc."""\n__version__ = "1.2.3"\n',
        "CHANGELOG.md": "# Changelog\n\n## Unreleased\n\n## 1.2.3\n\n- Faster.\n\n## 1.2.2\n\n- Old.\n",
        "packaging/debian/debian/changelog": "portmapperd (1.2.3-1) unstable; urgency=medium\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_complete_tree_is_released_with_its_notes(script: Script, tree: Path) -> None:
    """The notes are the section of that version only."""
    release = script("checks/release.py")
    assert release.problems(tree, "v1.2.3") == []
    assert release.notes(tree, "v1.2.3") == "- Faster."


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("pyproject.toml", "https://code.example/portmapper", "", "address is empty"),
        ("portmapper/__init__.py", "1.2.3", "1.2.4", "has 1.2.4"),
        ("CHANGELOG.md", "## 1.2.3", "## 1.2.30", "no section 1.2.3"),
        ("CHANGELOG.md", "## 1.2.3", "## 1.3.0\n\n- New.\n\n## 1.2.3", "begins with 1.3.0"),
        ("CHANGELOG.md", "## Unreleased", "## Unreleased\n\n- New.", "has unreleased changes"),
        ("packaging/debian/debian/changelog", "1.2.3", "1.2.2", "does not begin with 1.2.3"),
    ],
)
def test_an_incomplete_tree_is_refused(
    script: Script, tree: Path, file: str, old: str, new: str, problem: str
) -> None:
    """Each missing part is named."""
    path = tree / file
    path.write_text(path.read_text().replace(old, new))
    assert any(problem in found for found in script("checks/release.py").problems(tree, "v1.2.3"))


def test_this_tree_is_refused_while_it_has_no_address(script: Script, root: Path) -> None:
    """The workflow runs this check first."""
    hook = script("metadata_hook.py")
    found = script("checks/release.py").problems(root, "v0.0.0")
    assert any("address" in problem for problem in found) is (hook.project_address(root) == "")
    assert "packaging/checks/release.py" in (root / ".github/workflows/release.yml").read_text()


def test_the_changelog_can_get_a_heading(script: Script, root: Path, tree: Path) -> None:
    """A release only needs the line `## VERSION` below "Unreleased"."""
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    released = text.replace("## Unreleased\n", "## Unreleased\n\n## 1.2.3 (2026-12-24)\n", 1)
    (tree / "CHANGELOG.md").write_text(released, encoding="utf-8")
    release = script("checks/release.py")
    assert release.problems(tree, "v1.2.3") == []
    assert release.notes(tree, "v1.2.3").startswith("### ")


def test_every_job_has_a_time_limit_and_only_the_rights_it_needs(root: Path) -> None:
    """No job inherits rights; those that write are only in the release."""
    for file in (root / ".github/workflows").glob("*.yml"):
        top, jobs = file.read_text(encoding="utf-8").split("\njobs:\n")
        assert "permissions: {}" in top, file.name
        assert "concurrency:" in top, file.name
        for job in re.split(r"(?m)^  (?=[a-z]+:$)", jobs)[1:]:
            assert "timeout-minutes:" in job, f"{file.name}: {job}"
            assert "permissions:" in job, f"{file.name}: {job}"
            assert file.name == "release.yml" or ": write" not in job, f"{file.name}: {job}"


def test_actions_are_pinned_to_commits(root: Path) -> None:
    """A tag can be moved to other code. The version beside the hash is for people and for dependabot."""
    for file in (root / ".github/workflows").glob("*.yml"):
        for action in re.findall(r"uses: (.+)", file.read_text(encoding="utf-8")):
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), f"{file.name}: {action}"


def test_contributors_are_told_every_package_that_the_tests_need(root: Path) -> None:
    """Their own environment has no test group of nox."""
    groups = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    needed = {re.split(r"[>=;]", entry)[0] for entry in groups["tests"] if "sys_platform" not in entry}
    (line,) = re.findall(r"pip install -e \. (.+)", (root / "CONTRIBUTING.md").read_text("utf-8"))
    assert needed <= set(line.split())
