"""`portmapper history`: show which mappings were opened, changed and closed, when and why."""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from portmapper.api.command import Command
from portmapper.api.errors import StoreError
from portmapper.cli.options import add_config_option, add_state_option
from portmapper.support.wording import event_text

if TYPE_CHECKING:
    from collections.abc import Sequence


class History(Command):
    """The command `history`; it shows the journal."""

    name = "history"
    help = "show what was opened, changed and closed, when and why"
    examples = ("portmapper history --limit 20",)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of `history`."""
        add_config_option(parser)
        add_state_option(parser)
        parser.add_argument(
            "--limit", type=_count, default=1000, metavar="N", help="the latest N events (default 1000)"
        )
        parser.add_argument("--json", action="store_true", help="print the answer as JSON")

    def run(self, arguments: argparse.Namespace) -> int:
        """Print the journal from the store; this works without a running daemon."""
        from portmapper.cli.tables import line_width
        from portmapper.config.paths import state_directory
        from portmapper.store.leases import FILE_NAME, Store

        path = (arguments.state_dir or state_directory()) / FILE_NAME
        if not path.exists():
            raise StoreError(f"there is no journal: {path} does not exist")
        store = Store(path)
        try:
            events = store.history(arguments.limit)
        finally:
            store.close()
        if arguments.json:
            print(json.dumps(events, indent=2))
        else:
            _show(events, line_width())
        return 0


def _show(events: Sequence[dict[str, Any]], width: int | None) -> None:
    from portmapper.cli.columns import wrapped
    from portmapper.support.text import printable

    for event in events:
        # Wrapped here, because a terminal would break an address in the middle.
        print("\n".join(wrapped(printable(_line(event)), width)).lstrip())
    if not events:
        print("no events")


def _line(event: dict[str, Any]) -> str:
    """Return one line, with the clock of the log: local time and its zone."""
    from portmapper.support.duration import format_local

    return f"{format_local(datetime.fromisoformat(event['at']))} {event_text(event)}"


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 1_000_000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 1000000")
    return int(text)
