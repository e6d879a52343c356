"""Checks that a tag may be released, or prints its notes.

python packaging/checks/release.py v0.2.0
python packaging/checks/release.py --notes v0.2.0
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

UNRELEASED = "Unreleased"
ROOT = Path(__file__).parents[2]
_VERSION = re.compile(r'^__version__ = "(.+)"$', re.MULTILINE)


def problems(root: Path, tag: str) -> list[str]:
    """Return what prevents the release of a tag."""
    found = []
    if not _address(root):
        found.append("pyproject.toml: [tool.portmapper] address is empty: set the address of the repository")
    version = _version(root)
    if tag != f"v{version}":
        found.append(f"the tag is {tag}, but portmapper/__init__.py has {version}")
    found += _changelog_problems(root, tag.removeprefix("v"))
    changelog = (root / "packaging/debian/debian/changelog").read_text(encoding="utf-8")
    if not changelog.startswith(f"portmapperd ({version}-"):
        found.append(f"packaging/debian/debian/changelog does not begin with {version}")
    return found


def _changelog_problems(root: Path, version: str) -> list[str]:
    """Return what is wrong with the headings: after an empty "Unreleased" comes the version, with notes."""
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    found = []
    headings = re.findall(r"^## ([^\s]+)", text, re.MULTILINE)
    latest = next((heading for heading in headings if heading != UNRELEASED), "no version")
    if latest != version:
        found.append(f"CHANGELOG.md begins with {latest}, and the tag is for {version}")
    if not notes(root, version):
        found.append(f"CHANGELOG.md has no section {version}")
    if notes(root, UNRELEASED):
        found.append(f"CHANGELOG.md has unreleased changes: move them below a heading '## {version}'")
    return found


def notes(root: Path, tag: str) -> str:
    """Return the section of the changelog for a tag, empty if there is none."""
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = re.escape(tag.removeprefix("v"))
    match = re.search(rf"^## {heading}\b[^\n]*\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return match[1].strip() if match else ""


def _address(root: Path) -> str:
    return str(tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["portmapper"]["address"])


def _version(root: Path) -> str:
    match = _VERSION.search((root / "portmapper/__init__.py").read_text(encoding="utf-8"))
    return match[1] if match else ""


def main() -> int:
    """Print the notes, or the problems."""
    tag = sys.argv[-1]
    if "--notes" in sys.argv:
        print(notes(ROOT, tag))
        return 0
    found = problems(ROOT, tag)
    print("\n".join(found) or f"{tag} can be released")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
