"""`portmapper status`: show the state of the daemon's mappings, or without a daemon the stored leases."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from portmapper.api.command import Command
from portmapper.cli.options import add_config_option, add_state_option


class Status(Command):
    """The command `status`."""

    name = "status"
    help = "show the mappings that the daemon keeps open"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of `status`."""
        add_config_option(parser)
        add_state_option(parser)
        parser.add_argument("--json", action="store_true", help="print the answer as JSON")
        parser.add_argument(
            "--watch", action="store_true", help="update the screen every second until Ctrl-C"
        )

    def run(self, arguments: argparse.Namespace) -> int:
        """Print the status; return 0 if a daemon is running, in whatever state its mappings are, else 1."""
        from portmapper.config.paths import state_directory

        directory = arguments.state_dir or state_directory()
        if arguments.watch:
            return _watch(directory)
        document, runs = _document(directory)
        if arguments.json:
            print(json.dumps(document, indent=2))
        else:
            from portmapper.cli.tables import print_status

            print_status(document)
        if not runs:
            print(f"portmapper: no daemon runs for {directory}; showing the stored leases", file=sys.stderr)
        return 0 if runs else 1


def _document(directory: Path) -> tuple[dict[str, Any], bool]:
    from portmapper.control.client import NotRunning, call_daemon

    try:
        return call_daemon(directory, "status"), True
    except NotRunning:
        return _from_store(directory), False


def _from_store(directory: Path) -> dict[str, Any]:
    from portmapper.observability.status import stored_document
    from portmapper.store.leases import FILE_NAME, Store

    path = directory / FILE_NAME
    store = Store(path if path.exists() else None)
    try:
        return stored_document(store.leases)
    finally:
        store.close()


def _watch(directory: Path) -> int:
    from rich.live import Live

    from portmapper.cli.tables import render

    try:
        with Live(auto_refresh=False, screen=sys.stdout.isatty()) as live:
            while True:
                document, runs = _document(directory)
                if not runs:
                    break
                live.update(render(document), refresh=True)
                time.sleep(1)
    except KeyboardInterrupt:
        return 0
    print(f"portmapper: no daemon runs for {directory}", file=sys.stderr)
    return 1
