"""What `portmapper open` says of the ports that it opened, and its exit status."""

from __future__ import annotations

import sys

from portmapper.cli.say import say
from portmapper.cli.wording import HELD_BACK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def show(document: dict[str, Any], by_daemon: bool) -> None:
    """Print what is open and what is not, and what the user can do next."""
    from portmapper.cli.wording import address_warnings, mapping_port, protocol_name
    from portmapper.support.text import endpoint, printable

    for mapping in document["mappings"]:
        internal = endpoint(mapping["internal_address"], mapping["internal_port"], "this host")
        if mapping["state"] == "waiting":
            say(f"{mapping_port(mapping)} is not open yet: {printable(mapping['error'])}")
        elif mapping["state"] == "active":
            where = _external(mapping)
            protocol = protocol_name(mapping["backend"])
            end = _how_long(mapping, by_daemon)
            say(f"{mapping_port(mapping)} → {internal} is open{where} over {protocol}{end}")
        else:
            reason = printable(mapping["error"] or "no gateway answered")
            say(f"{mapping_port(mapping)} is not open: {reason}", sys.stderr)
    for note in [*_notes(document, by_daemon), *(f"warning: {w}" for w in address_warnings(document))]:
        say(f"portmapper: {note}", sys.stderr)


def _external(mapping: dict[str, Any]) -> str:
    from portmapper.support.text import endpoint

    if not mapping["external_address"]:
        return " (external address not known yet)"
    return f" at {endpoint(mapping['external_address'], mapping['external_port'])}"


def _how_long(mapping: dict[str, Any], by_daemon: bool) -> str:
    if by_daemon and not mapping.get("closes_at"):
        return "\n  the daemon renews it until 'portmapper close'"
    from datetime import datetime

    from portmapper.support.duration import format_duration, format_local

    if mapping.get("closes_at"):
        return f"\n  until {format_local(datetime.fromisoformat(mapping['closes_at']))}"
    if mapping["permanent"] or not mapping["expires_at"]:
        return "\n  until 'portmapper close'"
    end = format_local(datetime.fromisoformat(mapping["expires_at"]))
    return f"\n  until {end} ({format_duration(mapping['lifetime'])}); nothing renews this lease"


def _notes(document: dict[str, Any], by_daemon: bool) -> list[str]:
    """Return what the user can do next: about ports that are not open, and about leases that end."""
    mappings = document["mappings"]
    if by_daemon:
        waits = any(mapping["state"] not in ("active", *HELD_BACK) for mapping in mappings)
        return ["the daemon keeps trying until 'portmapper close'"] if waits else []
    ending = [mapping for mapping in mappings if mapping["state"] == "active" and not mapping["permanent"]]
    if not ending:
        return []
    what = "the port open, add it" if len(ending) == 1 else "the ports open, add them"
    return [f"to keep {what} to a list and run 'portmapper run LIST'"]


def exit_status(document: dict[str, Any]) -> int:
    """Return the exit status; without a gateway, name the command that finds out why."""
    states = [mapping["state"] for mapping in document["mappings"]]
    if not document["gateways"] and "pending" in states:
        say("portmapper: run 'portmapper doctor' to find out why", sys.stderr)
        return 3
    return 0 if all(state in ("active", "waiting") for state in states) else 1
