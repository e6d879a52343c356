"""The parser of every command: a mistake is one line that says what to write."""

from __future__ import annotations

import argparse
import re
import sys
from typing import NoReturn

from portmapper.api.errors import UsageError


class Parser(argparse.ArgumentParser):
    """Parses arguments; a mistake gets the nearest valid word, or an example."""

    def error(self, message: str) -> NoReturn:
        """Print the mistake in one line, and exit with 2."""
        from portmapper.cli.mistakes import hint, in_plain_words
        from portmapper.cli.say import say
        from portmapper.support.text import printable

        # argparse has no public API to list a parser's options.
        actions = self._actions
        advice = hint(message, actions, self._example()) or f"see '{self.prog} --help'"
        say(f"{self.prog}: {printable(in_plain_words(message, actions))}; {advice}", sys.stderr)
        self.exit(2)

    def _example(self) -> str:
        """Return the first example below the options."""
        lines = (self.epilog or "").splitlines()
        return lines[1].strip() if len(lines) > 1 else ""


def parse(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    """Parse the words; options and arguments may be mixed.

    Raises:
        UsageError: an argument cannot be read as text.
    """
    usage = parser.usage
    if not _may_ask_for_help(words):
        # argparse formats the usage before it reads the words, and only a help shows it.
        parser.usage = ""
    try:
        return parser.parse_intermixed_args(words)
    except TypeError:
        # A plugin's command has subcommands, for which argparse cannot intermix options.
        return parser.parse_args(words)
    except UnicodeError as error:
        raise UsageError(f"an argument is not valid text: {error}") from None
    finally:
        parser.usage = usage


def _may_ask_for_help(words: list[str]) -> bool:
    """Return whether a word may be `--help`, an abbreviation of it, or short options with `-h`."""
    return any(word.startswith("--h") or ("h" in word and re.match("-[^-]", word)) for word in words)
