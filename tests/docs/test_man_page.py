"""The man page lists every option of the program."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import pytest


@pytest.fixture
def page(root: Path) -> str:
    """Return the man page with its escaped hyphens restored."""
    return (root / "docs" / "portmapper.1").read_text(encoding="utf-8").replace("\\-", "-")


@pytest.fixture
def sections(page: str) -> Mapping[str, str]:
    """Return the parts of OPTIONS by command."""
    return {section.partition("\n")[0]: section for section in page.split("\n.SS ")}


def test_the_page_has_the_usual_sections(page: str) -> None:
    """In the usual order, see man-pages(7)."""
    assert [line.removeprefix(".SH ") for line in page.splitlines() if line.startswith(".SH ")] == [
        *("NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "OPTIONS", "FILES", "ENVIRONMENT"),
        *("EXIT STATUS", "EXAMPLES", "SEE ALSO", "Author", "Copyright"),
    ]


def test_every_option_is_on_the_man_page(
    sections: Mapping[str, str], parsers: Mapping[str, argparse.ArgumentParser]
) -> None:
    """Each option is in the section of its command; `nox -s man` regenerates the page."""
    for name, parser in parsers.items():
        section = sections[f"portmapper {name}"]
        options = set(parser._option_string_actions) - {"-h", "--help"}
        missing = [option for option in sorted(options) if option not in section]
        assert missing == [], name
