"""The last words of `run`: until when its ports stay open, and how to close them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from portmapper.cli.say import say
from portmapper.cli.wording import mapping_port
from portmapper.support.duration import format_local
from portmapper.support.text import plural
from portmapper.support.writable import takes_text

MANY = 6
"""With more open ports, the command that closes all of a list is shorter."""


def say_farewell(arguments: argparse.Namespace, document: dict[str, Any]) -> None:
    """Tell a user at a terminal or a script what remains open; a service's log has no use for it."""
    if arguments.close_ports_on_exit or arguments.daemon or arguments.log_format != "text":
        return
    if not takes_text(sys.stderr):
        return
    given = arguments.given
    for line in farewell(document, options_of_close(given), [*given.source, *given.file]):
        if line.startswith(" "):
            print(line, file=sys.stderr)  # a command stays whole: it is there to be copied
        else:
            say(line, sys.stderr)


def farewell(document: dict[str, Any], options: Sequence[str], lists: Sequence[str] = ()) -> list[str]:
    """Return the lines for a run that ends and leaves its ports open; none if no port is open.

    Args:
        document: the status document at the end of the run.
        options: those of the run that `close` needs, too; see `options_of_close`.
        lists: the sources on the command line. Standard input cannot be read again.
    """
    active = [mapping for mapping in document["mappings"] if mapping["state"] == "active"]
    if not active:
        return []
    verb = "stays" if len(active) == 1 else "stay"
    until = _until(active)
    return [
        f"{plural(len(active), 'port')} {verb} open {until}.",
        f"Nothing renews {_them(active)} now. To close {_them(active)}:",
        f"  {_command(active, options, lists)}",
    ]


def options_of_close(given: argparse.Namespace) -> list[str]:
    """Return the options of the command line without which `close` would look for other ports."""
    named = [("--config", given.config), ("--state-dir", given.state_dir)]
    named += [("--gateway", gateway) for gateway in given.gateway]
    return [word for name, value in named if value is not None for word in (name, str(value))]


def _them(active: Sequence[object]) -> str:
    return "it" if len(active) == 1 else "them"


def _until(active: Sequence[dict[str, Any]]) -> str:
    ends = sorted(datetime.fromisoformat(m["expires_at"]) for m in active if m["expires_at"])
    if len(ends) < len(active):
        return "until they are closed" if len(active) > 1 else "until it is closed"
    first, last = format_local(ends[0]), format_local(ends[-1])
    return f"until {last}" if first == last else f"until {last}, the first until {first}"


def _command(active: Sequence[dict[str, Any]], options: Sequence[str], lists: Sequence[str]) -> str:
    import shlex

    sources = {mapping["source"] for mapping in active}
    if len(active) > MANY and "-" not in sources and sources <= {*lists}:
        return shlex.join(["portmapper", "run", "--only-close-ports", *options, *lists])
    return shlex.join(["portmapper", "close", *options, *_ranges(active)])


def _ranges(active: Sequence[dict[str, Any]]) -> list[str]:
    """Return the external ports as arguments of `close`; many of them as ranges."""
    ports = dict.fromkeys(mapping_port(mapping) for mapping in active)
    numbers: dict[str, list[int]] = {}
    for text in ports:
        number, _, protocol = text.partition("/")
        numbers.setdefault(protocol, []).append(int(number))
    if len(ports) <= MANY:
        return list(ports)
    return [f"{part}/{protocol}" for protocol, found in numbers.items() for part in _in_a_row(sorted(found))]


def _in_a_row(numbers: Sequence[int]) -> Iterator[str]:
    start = 0
    for end in range(1, len(numbers) + 1):
        if end == len(numbers) or numbers[end] != numbers[end - 1] + 1:
            first, last = numbers[start], numbers[end - 1]
            yield f"{first}" if first == last else f"{first}-{last}"
            start = end
