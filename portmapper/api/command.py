"""The command interface: one subcommand of the command line."""

from __future__ import annotations

import abc
import argparse
import os
import sys
from typing import Any, ClassVar

from portmapper.support.text import sentence


class Command(abc.ABC):
    """A subcommand of `portmapper`.

    Attributes:
        name: the subcommand's name.
        help: one line for the list of commands.
        examples: command lines that the help shows.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    examples: ClassVar[tuple[str, ...]] = ()

    @abc.abstractmethod
    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options. Called only to run the command or to show its help."""

    @abc.abstractmethod
    def run(self, arguments: argparse.Namespace) -> int:
        """Run the command and return the exit status. A `PortmapperError` is printed as one line."""


def build_parser(
    command: Command, kind: type[argparse.ArgumentParser] = argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Build the parser of one command, as the command line does."""
    parser = kind(
        prog=f"portmapper {command.name}",
        description=sentence(command.help),
        epilog=_examples(command),
        formatter_class=_HelpFormatter,
    )
    command.add_arguments(parser)
    return parser


NARROW = 60
"""On a screen with fewer columns, the help of an option is below it."""


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Finds the width as argparse does, which imports shutil and all compression libraries for it."""

    def __init__(self, prog: str, **options: Any) -> None:
        columns = _columns()
        place = {"max_help_position": 6} if columns < NARROW else {}
        super().__init__(prog, **{"width": columns - 2, **place, **options})

    def _split_lines(self, text: str, width: int) -> list[str]:
        """Wrap a help text, but break no path or name of a variable."""
        import textwrap

        return textwrap.wrap(" ".join(text.split()), width, break_long_words=False, break_on_hyphens=False)


def _columns() -> int:
    """Return the width of the terminal, or the usual one."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return int(given)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or 80  # type: ignore[union-attr]
    except (AttributeError, ValueError, OSError):  # there is none, or it is closed
        return 80


def _examples(command: Command) -> str:
    lines = command.examples or (f"portmapper {command.name}",)
    return "\n".join([f"example{'s' if len(lines) > 1 else ''}:", *(f"  {line}" for line in lines)])
