"""Commands to a running daemon in the usual cases, which start faster than the full commands.

The parser of the command line and pathlib take longer to import than everything here to run, and these
commands are called in loops, by scripts and by prompts. What the quick ones do not know, the full ones do.
"""

from __future__ import annotations

import os

from portmapper.config.places import settings_places, state_place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any

PLACES = ("--config", "--state-dir")
"""The options of every quick command."""


class Call:
    """A command line that a quick command understands.

    Attributes:
        options: the values of the given options, as written; empty for an option without a value.
        words: the words that are no option.
        settings: the settings file, which is valid; empty without one.
        directory: the absolute state directory.
    """

    def __init__(self, options: dict[str, str], words: list[str], settings: dict[str, Any]) -> None:
        self.options = options
        self.words = words
        self.settings = settings
        given = options.get("--state-dir") or settings.get("state_dir") or state_place()
        self.directory = absolute(given)


def parse(words: Sequence[str], flags: Collection[str] = (), values: Collection[str] = PLACES) -> Call | None:
    """Parse options without a value, options with one, and other words.

    Return None if the full command is needed: for other options, or for a settings file that may be invalid.
    """
    parsed = _parsed(words, flags, values) if os.name == "posix" else None
    if parsed is None:
        return None
    settings = _settings(parsed[0].get("--config"))
    return None if settings is None else Call(*parsed, settings)


def _parsed(
    words: Sequence[str], flags: Collection[str], values: Collection[str]
) -> tuple[dict[str, str], list[str]] | None:
    options: dict[str, str] = {}
    others = []
    left = iter(words)
    for word in left:
        option, is_assigned, value = word.partition("=")
        if not word.startswith("-"):
            others.append(word)
        elif word in flags:
            options[word] = ""
        elif option in values and option not in options:
            options[option] = value if is_assigned else next(left, "")
            # Two slashes at the start are not the same as one for pathlib.
            if not options[option] or options[option].startswith(("-", "//")):
                return None
        else:
            return None
    return options, others


def _settings(config: str | None) -> dict[str, Any] | None:
    """Return the settings of this file or else of the default one, empty without one; None if in doubt."""
    path = config or next(filter(os.path.isfile, settings_places()), None)
    if path is None:
        return {}
    from portmapper.cli.quick_settings import plain_settings

    return plain_settings(path)


def absolute(path: str) -> str:
    """Return the absolute path as pathlib writes it."""
    return normal(path if path.startswith("/") else os.path.join(os.getcwd(), path))


def normal(path: str) -> str:
    """Return the path as pathlib writes it."""
    parts = "/".join(part for part in path.split("/") if part not in ("", "."))
    return f"/{parts}" if path.startswith("/") else parts or "."
