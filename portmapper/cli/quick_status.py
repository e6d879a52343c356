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
    call = parse(words, ("--json",))
    if call is None or call.words:
        return None
    try:
        document = call_daemon(call.directory, "status")
    except NotRunning:
        return None
    show({**document, "state_dir": call.directory}, "--json" in call.options)
    return 0


def show(document: dict[str, Any], as_json: bool) -> None:
    """Print a status document."""
    if as_json:
        import json

        print(json.dumps(document, indent=2))
    else:
        from portmapper.cli.tables import print_status

        print_status(document)
