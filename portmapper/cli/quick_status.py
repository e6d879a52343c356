"""`portmapper status` of a running daemon, in the usual cases."""

from __future__ import annotations

from portmapper.cli.quick import parse
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
    parsed = parse(words)
    if parsed is None or parsed[2]:
        return None
    directory, as_json, _ = parsed
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
