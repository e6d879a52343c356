"""What the tests of the documentation share: its pages, and a way to run what they show."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import attrs
import pytest

from portmapper.api.command import build_parser
from portmapper.cli.parsers import all_commands
from portmapper.pluginhost.manager import KINDS

ROOT = Path(__file__).parents[2]
LIMIT = 30

TUTORIALS = [ROOT / "docs" / "plugins" / f"{name}.md" for name in (*KINDS, "publishing")]

_FENCE = re.compile(
    r"^(?P<fence>`{3,})(?P<language>\w+)\n(?P<body>.*?)^(?P=fence)$", re.MULTILINE | re.DOTALL
)


@attrs.frozen
class Block:
    """A fenced block of a page.

    Attributes:
        page: the page's path, from the project's directory.
        line: the line it begins at.
        language: what stands behind the fence.
        body: what stands in it.
    """

    page: str
    line: int
    language: str
    body: str


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave these tests out where there is only the wheel: it carries no documentation."""
    is_test = collection_path.name.startswith("test_")
    return True if is_test and not (ROOT / "docs" / "conf.py").exists() else None


def pages() -> list[Path]:
    """Return every page."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks_of(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page, in their order."""
    text = page.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield Block(str(page.relative_to(ROOT)), line, match["language"], match["body"])


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the project's directory."""
    return ROOT


@pytest.fixture(scope="session")
def blocks() -> Mapping[str, list[Block]]:
    """Return the blocks of each page, by its path; but tutorials, which are run from end to end."""
    read = [page for page in pages() if page not in TUTORIALS]
    return {str(page.relative_to(ROOT)): list(blocks_of(page)) for page in read}


@pytest.fixture(params=TUTORIALS, ids=lambda page: page.stem)
def tutorial(request: pytest.FixtureRequest) -> Path:
    """Return each tutorial in turn."""
    page: Path = request.param
    return page


@pytest.fixture(scope="session")
def parsers() -> Mapping[str, argparse.ArgumentParser]:
    """Return the parser of each command, of which the documentation is made."""
    return {command.name: build_parser(command) for command in all_commands()}


@pytest.fixture
def shell(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return what runs a line as a shell does, in a directory of its own, with our `portmapper` first."""

    def run(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            line,
            shell=True,
            cwd=tmp_path,
            env={**os.environ, "PATH": path, **environment},
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )

    return run
