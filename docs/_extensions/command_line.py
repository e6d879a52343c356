"""Sphinx extension that generates the command reference from the parsers of `--help`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from typing import Any

from portmapper.api.command import build_parser
from portmapper.cli.parsers import all_commands
from portmapper.support.text import sentence

PAGE = "command-line"
PLACEHOLDER = "% commands"
MAN_PAGE = "man"


def setup(app: Any) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.connect("source-read", fill_in)
    return {"parallel_read_safe": True}


def fill_in(app: Any, page: str, source: list[str]) -> None:
    """Replace the placeholders of the page with the reference."""
    if page == PAGE:
        source[0] = source[0].replace(PLACEHOLDER, "\n".join(reference()))
    if page == MAN_PAGE:
        source[0] = source[0].replace("% summary", "\n".join(_summary()))
        source[0] = source[0].replace("% options", "\n".join(_man_options()))


def reference() -> Iterator[str]:
    """Yield the lines of the reference: one section per command, built-in commands first."""
    for command in all_commands():
        parser = build_parser(command)
        yield from (f"## `{parser.prog}`", "", f"{sentence(command.help)}", "")
        yield from ("```text", parser.format_usage().strip(), "```", "")
        yield from (f":::{{program}} {parser.prog}", ":::", "")
        # argparse has no public access to its options, so tools that document them use `_actions`.
        for action in parser._actions:
            if not isinstance(action, argparse._HelpAction):
                yield from _option(action)


def _summary() -> Iterator[str]:
    """Yield each command with what it does."""
    for command in all_commands():
        yield from (f"`{command.name}`", f": {_escaped(sentence(command.help))}", "")


def _man_options() -> Iterator[str]:
    """Yield the options of each command as a list of definitions."""
    for command in all_commands():
        parser = build_parser(command)
        yield from (f"### {parser.prog}", "", "```text", parser.format_usage().strip(), "```", "")
        for action in parser._actions:
            if not isinstance(action, argparse._HelpAction):
                names, text = _names_and_text(action)
                yield from (f"`{names}`", f": {text or 'See above.'}", "")


def _option(action: argparse.Action) -> Iterator[str]:
    names, text = _names_and_text(action)
    yield from (f"::::{{option}} {names}", text, "::::", "")


def _names_and_text(action: argparse.Action) -> tuple[str, str]:
    value = _value(action)
    names = [f"{name} {value}".strip() for name in action.option_strings] or [value]
    text = _escaped(sentence((action.help or "") % {**vars(action), "prog": "portmapper"}))
    return ", ".join(names), text


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if action.metavar:
        return str(action.metavar)
    return "|".join(map(str, action.choices)) if action.choices else action.dest.upper()


def _escaped(text: str) -> str:
    """Escape characters that have a meaning in Markdown."""
    return re.sub(r"([\\`*_<>\[\]$])", r"\\\1", text)
