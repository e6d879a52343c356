"""The parser of every command: a mistake is one line that suggests what was meant."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import NoReturn

from portmapper.api.errors import UsageError

_UNKNOWN = "unrecognized arguments: "


class Parser(argparse.ArgumentParser):
    """Parses arguments; an invalid option or choice gets the nearest valid one as a suggestion."""

    def error(self, message: str) -> NoReturn:
        """Print the mistake in one line, and exit with 2."""
        from portmapper.support.text import printable

        hint = self._hint(message) or f"see '{self.prog} --help'"
        if message.startswith(_UNKNOWN):
            message = f"there is no option or argument {message.removeprefix(_UNKNOWN)}"
        print(f"{self.prog}: {printable(message)}; {hint}", file=sys.stderr)
        self.exit(2)

    def _hint(self, message: str) -> str:
        """Return a suggestion for the first word that is not valid."""
        import difflib  # needed only after a mistake

        if message.startswith(_UNKNOWN):
            word, known = message.removeprefix(_UNKNOWN).split()[0].partition("=")[0], [*self._names()]
        else:
            word, known = _invalid_choice(message)
        near = difflib.get_close_matches(word, known, 1, 0.5)
        return f"did you mean {near[0]}?" if near else ""

    def _names(self) -> Iterator[str]:
        # argparse has no public API to list a parser's options.
        return (name for action in self._actions for name in action.option_strings)


def _invalid_choice(message: str) -> tuple[str, list[str]]:
    """Return the invalid value and the valid ones of argparse's message; empty for another message."""
    _, found, rest = message.partition("invalid choice: ")
    value, _, choices = rest.partition(" (choose from ")
    return (value.strip("'"), [c.strip(" ')") for c in choices.split(",")]) if found else ("", [])


def parse(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    """Parse the words; options and arguments may be mixed.

    Raises:
        UsageError: an argument cannot be read as text.
    """
    try:
        return parser.parse_intermixed_args(words)
    except TypeError:
        # A plugin's command has subcommands, for which argparse cannot intermix options.
        return parser.parse_args(words)
    except UnicodeError as error:
        raise UsageError(f"an argument is not valid text: {error}") from None
