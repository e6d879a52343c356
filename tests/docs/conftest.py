"""Fixtures for the documentation tests: the pages, their code blocks, and a shell to run commands."""

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
from portmapper.pluginhost.kinds import KINDS

ROOT = Path(__file__).parents[2]
LIMIT = 60

TUTORIALS = [ROOT / "docs" / "plugins" / f"{name}.md" for name in (*KINDS, "publishing")]

_FENCE = re.compile(
    r"^(?P<fence>`{3,})(?P<language>\w+)\n(?P<body>.*?)^(?P=fence)$", re.MULTILINE | re.DOTALL
)


@attrs.frozen
class Block:
    """A fenced code block of a page.

    Attributes:
        page: the path of the page, relative to the project directory.
        line: the line of the opening fence.
        language: the language after the opening fence.
        body: the text of the block.
    """

    page: str
    line: int
    language: str
    body: str


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Skip these tests if the documentation is missing: the wheel does not contain it."""
    is_test = collection_path.name.startswith("test_")
    return True if is_test and not (ROOT / "docs" / "conf.py").exists() else None


def pages() -> list[Path]:
    """Return the README and every page of the documentation."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks_of(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield Block(str(page.relative_to(ROOT)), line, match["language"], match["body"])


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the project directory."""
    return ROOT


@pytest.fixture(scope="session")
def blocks() -> Mapping[str, list[Block]]:
    """Return the blocks of each page by its path, except tutorials: their own test runs them."""
    read = [page for page in pages() if page not in TUTORIALS]
    return {str(page.relative_to(ROOT)): list(blocks_of(page)) for page in read}


@pytest.fixture(params=TUTORIALS, ids=lambda page: page.stem)
def tutorial(request: pytest.FixtureRequest) -> Path:
    """Return each tutorial in turn."""
    page: Path = request.param
    return page


@pytest.fixture(scope="session")
def parsers() -> Mapping[str, argparse.ArgumentParser]:
    """Return the parser of each command by its name, without those of extras that happen to be installed."""
    extras = {path.name.removeprefix("portmapper-") for path in (ROOT / "plugins").glob("portmapper-*")}
    return {command.name: build_parser(command) for command in all_commands() if command.name not in extras}


@pytest.fixture
def shell(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs a shell line in a new directory, with this `portmapper` first in PATH."""

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
