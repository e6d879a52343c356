"""The man page that comes with the program knows all that the program does."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import pytest


@pytest.fixture
def sections(root: Path) -> Mapping[str, str]:
    """Return the page's sections by their titles; its hyphens are escaped, so that each stays one."""
    page = (root / "docs" / "portmapper.1").read_text(encoding="utf-8").replace("\\-", "-")
    return {section.partition("\n")[0]: section for section in page.split("\n.SH ")}


def test_every_option_is_on_the_man_page(
    sections: Mapping[str, str], parsers: Mapping[str, argparse.ArgumentParser]
) -> None:
    """In its command's section; `nox -s man` writes the page anew."""
    for name, parser in parsers.items():
        section = sections[f"PORTMAPPER {name.upper()}"]
        options = set(parser._option_string_actions) - {"-h", "--help"}
        missing = [option for option in sorted(options) if option not in section]
        assert missing == [], name
