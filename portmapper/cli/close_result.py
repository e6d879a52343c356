"""What `portmapper close` says of the ports that it closed, and its exit status."""

from __future__ import annotations

import sys

from portmapper.cli.say import say
from portmapper.cli.wording import mapping_port, port_text
from portmapper.support.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from typing import Any

NOT_OPEN = ("closed", "not open")
LEFT_ALONE = "left alone"
STILL_OPEN = ("failed", "listed")
"""The results of `portmapper.actions.close.CloseResult`, without an import of attrs."""


def report(results: Sequence[dict[str, Any]]) -> int:
    """Print the result for each port and return the exit status."""
    for done in results:
        port = port_text(done["port"], done["protocol"])
        if done["result"] in NOT_OPEN:
            say(f"{port} is {done['result']}")
        else:
            verb = "is left alone" if done["result"] == LEFT_ALONE else "is still open"
            say(f"portmapper: {port} {verb}: {printable(done['detail'])}", sys.stderr)
    return 1 if any(done["result"] in STILL_OPEN for done in results) else 0


def report_other_protocol(
    mappings: Iterable[dict[str, Any]],
    closed: Collection[tuple[str, int]],
    numbers: Collection[int],
    options: Sequence[str],
) -> None:
    """Name the ports that stay open over the other protocol, where the user named none: `close 27015`.

    Args:
        mappings: all that is open.
        closed: protocol and port of what was to be closed.
        numbers: the ports for which the user named no protocol.
        options: those that the next `close` needs.
    """
    left = [
        mapping_port(mapping)
        for mapping in mappings
        if mapping["state"] == "active"
        and mapping["external_port"] in numbers
        and (mapping["protocol"], mapping["external_port"]) not in closed
    ]
    if left:
        import shlex

        verb, them = ("is", "it") if len(left) == 1 else ("are", "them")
        command = shlex.join(["portmapper", "close", *options, *left])
        say(f"portmapper: {', '.join(left)} {verb} still open. To close {them}: {command}", sys.stderr)
