"""The man page lists every option of the program."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import pytest


@pytest.fixture
def sections(root: Path) -> Mapping[str, str]:
    """Return the sections of the man page by title, with its escaped hyphens restored."""
    page = (root / "docs" / "portmapper.1").read_text(encoding="utf-8").replace("\\-", "-")
    return {section.partition("\n")[0]: section for section in page.split("\n.SH ")}


def test_every_option_is_on_the_man_page(
    sections: Mapping[str, str], parsers: Mapping[str, argparse.ArgumentParser]
) -> None:
    """Each option is in the section of its command; `nox -s man` regenerates the page."""
    for name, parser in parsers.items():
        section = sections[f"PORTMAPPER {name.upper()}"]
        options = set(parser._option_string_actions) - {"-h", "--help"}
        missing = [option for option in sorted(options) if option not in section]
        assert missing == [], name
