"""The last words of `run`: until when its ports stay open, and how to close them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from portmapper.cli.wording import mapping_port
from portmapper.support.duration import format_local
from portmapper.support.text import plural

MANY = 6
"""With more open ports, the command that closes all of a list is shorter."""


def farewell(document: dict[str, Any], state_dir: Path | None) -> list[str]:
    """Return the lines for a run that ends and leaves its ports open; none if no port is open.

    Args:
        document: the status document at the end of the run.
        state_dir: the state directory that the user named.
    """
    active = [mapping for mapping in document["mappings"] if mapping["state"] == "active"]
    if not active:
        return []
    verb = "stays" if len(active) == 1 else "stay"
    until = _until(active)
    return [
        f"{plural(len(active), 'port')} {verb} open {until}.",
        f"Nothing renews {_them(active)} now. To close {_them(active)}:",
        f"  {_command(document, active, state_dir)}",
    ]


def _them(active: Sequence[object]) -> str:
    return "it" if len(active) == 1 else "them"


def _until(active: Sequence[dict[str, Any]]) -> str:
    ends = sorted(datetime.fromisoformat(m["expires_at"]) for m in active if m["expires_at"])
    if len(ends) < len(active):
        return "until they are closed" if len(active) > 1 else "until it is closed"
    first, last = format_local(ends[0]), format_local(ends[-1])
    return f"until {last}" if first == last else f"until {last}, the first until {first}"


def _command(document: dict[str, Any], active: Sequence[dict[str, Any]], state_dir: Path | None) -> str:
    import shlex

    option = ["--state-dir", str(state_dir)] if state_dir else []
    sources = [source["location"] for source in document["sources"]]
    if len(active) > MANY and sources:
        return shlex.join(["portmapper", "run", "--only-close-ports", *option, *sources])
    ports = dict.fromkeys(mapping_port(mapping) for mapping in active)
    return shlex.join(["portmapper", "close", *option, *ports])
