"""`portmapper status` of a running daemon, in the usual cases.

The parser of the command line and pathlib take longer to import than everything here to run, and `status` is
called in loops and by prompts. What this module does not know, the full command does.
"""

from __future__ import annotations

import os

from portmapper.config.places import settings_places, state_place
from portmapper.control.client import NotRunning, call_daemon

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def quick_status(words: Sequence[str]) -> int | None:
    """Print the status and return 0, or print nothing and return None: the full command is needed.

    Raises:
        PortmapperError: the daemon does not answer, or refuses the request.
    """
    as_json = "--json" in words
    directory = _state_directory([word for word in words if word != "--json"])
    if directory is None or any(map(os.path.exists, settings_places())):
        return None
    try:
        document = call_daemon(directory, "status")
    except NotRunning:
        return None
    show({**document, "state_dir": directory}, as_json)
    return 0


def show(document: dict[str, Any], as_json: bool) -> None:
    """Print a status document."""
    if as_json:
        import json

        print(json.dumps(document, indent=2))
    else:
        from portmapper.cli.tables import print_status

        print_status(document)


def _state_directory(words: Sequence[str]) -> str | None:
    """Return the absolute directory that the words name, or the default; None for other words."""
    if os.name != "posix":
        return None
    if not words:
        return _absolute(state_place())
    option, _, value = words[0].partition("=")
    if len(words) == 2 and words[0] == option:
        value = words[1]
    elif len(words) != 1:
        return None
    return _absolute(value) if option == "--state-dir" and value and not value.startswith("-") else None


def _absolute(directory: str) -> str:
    """Return the path as pathlib writes it."""
    parts = os.path.join(os.getcwd(), directory).split("/")
    return "/" + "/".join(part for part in parts if part not in ("", "."))
