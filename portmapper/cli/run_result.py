"""What `portmapper run --oneshot` prints, and its exit status."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from typing import Any

from portmapper.api.model import HELD_BACK


def exit_status(arguments: argparse.Namespace, document: dict[str, Any], stopped: bool) -> int:
    """Print the result of one pass and return the exit status."""
    if arguments.json:
        import json  # few passes print or store any

        print(json.dumps(document, indent=2))
    elif sys.stdout.isatty():
        from portmapper.cli.tables import print_status

        print_status(document)
    else:
        _warn(document)
    states = {mapping["state"] for mapping in document["mappings"]}
    if stopped:
        # No mapping at all: the lists were still being read.
        return 1 if "pending" in states or not states else 0
    if not document["gateways"] and "pending" in states:
        _say(["portmapper: no gateway answered; run 'portmapper doctor' to find out why"])
        return 3
    rejected = any(source["rejected"] for source in document["sources"])
    return 1 if states - {"active", *HELD_BACK} or rejected else 0


def _warn(document: dict[str, Any]) -> None:
    from portmapper.cli.wording import address_warnings

    if warnings := address_warnings(document):
        _say(f"portmapper: warning: {warning}" for warning in warnings)


def _say(lines: Iterable[str]) -> None:
    from portmapper.cli.say import say  # few passes have anything to say

    for line in lines:
        say(line, sys.stderr)
