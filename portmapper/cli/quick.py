"""Commands to a running daemon in the usual cases, which start faster than the full commands.

The parser of the command line and pathlib take longer to import than everything here to run, and these
commands are called in loops, by scripts and by prompts. What the quick ones do not know, the full ones do.
"""

from __future__ import annotations

import os

from portmapper.config.places import settings_places, state_place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Parsed = tuple[str, bool, list[str]]


def parse(words: Sequence[str]) -> Parsed | None:
    """Return the absolute state directory, whether `--json` is given, and the words that are no option.

    Return None if the full command is needed: for other options, or because there is a settings file.
    """
    if os.name != "posix" or any(map(os.path.exists, settings_places())):
        return None
    directory, as_json, others = None, False, []
    left = iter(words)
    for word in left:
        option, is_assigned, value = word.partition("=")
        if word == "--json":
            as_json = True
        elif option == "--state-dir" and directory is None:
            directory = value if is_assigned else next(left, "")
            if not directory or directory.startswith("-"):
                return None
        elif word.startswith("-"):
            return None
        else:
            others.append(word)
    return default_directory() if directory is None else _absolute(directory), as_json, others


def default_directory() -> str:
    """Return the absolute state directory without `--state-dir`."""
    return _absolute(state_place())


def _absolute(directory: str) -> str:
    """Return the path as pathlib writes it."""
    parts = os.path.join(os.getcwd(), directory).split("/")
    return "/" + "/".join(part for part in parts if part not in ("", "."))
