"""Sphinx configuration: Markdown pages, and a command reference generated from the program."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

import portmapper
from portmapper.cli.parsers import SUMMARY

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "portmapper"
_PROJECT = tomllib.loads(Path(__file__).parent.with_name("pyproject.toml").read_text("utf-8"))["project"]

author = ", ".join(person["name"] for person in _PROJECT["authors"])
copyright = f"2026, {author}"
version = release = portmapper.__version__

extensions = ["myst_parser", "sphinx_copybutton", "command_line", "http_api"]
exclude_patterns = ["_build"]
nitpicky = True
smartquotes = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

man_pages = [("man", "portmapper", SUMMARY, author, 1)]

html_theme = "furo"
html_title = f"portmapper {version}"
html_static_path = ["_static"]
html_css_files = ["phone.css"]

# Copy commands, without the prompt; outputs (`text`) have no button.
copybutton_prompt_text = "$ "
copybutton_selector = "div:not(.highlight-text) > div.highlight pre"


def setup(app: Sphinx) -> None:
    """Show CSV and the format of the tutorial as plain text: Pygments has no lexer for them."""
    app.add_lexer("csv", TextLexer)
    app.add_lexer("ports", TextLexer)
