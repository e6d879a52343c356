"""The last words of `run`: until when its ports stay open, and how to close them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from portmapper.cli.wording import mapping_port
from portmapper.support.duration import format_local
from portmapper.support.text import plural

MANY = 6
"""With more open ports, the command that closes all of a list is shorter."""


def farewell(document: dict[str, Any], options: Sequence[str]) -> list[str]:
    """Return the lines for a run that ends and leaves its ports open; none if no port is open.

    Args:
        document: the status document at the end of the run.
        options: those of the run that `close` needs, too; see `options_of_close`.
    """
    active = [mapping for mapping in document["mappings"] if mapping["state"] == "active"]
    if not active:
        return []
    verb = "stays" if len(active) == 1 else "stay"
    until = _until(active)
    return [
        f"{plural(len(active), 'port')} {verb} open {until}.",
        f"Nothing renews {_them(active)} now. To close {_them(active)}:",
        f"  {_command(document, active, options)}",
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


def _command(document: dict[str, Any], active: Sequence[dict[str, Any]], options: Sequence[str]) -> str:
    import shlex

    sources = [source["location"] for source in document["sources"]]
    if len(active) > MANY and sources:
        return shlex.join(["portmapper", "run", "--only-close-ports", *options, *sources])
    ports = dict.fromkeys(mapping_port(mapping) for mapping in active)
    return shlex.join(["portmapper", "close", *options, *ports])
