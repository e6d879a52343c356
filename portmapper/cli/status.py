"""`portmapper status`: show the state of the daemon's mappings, or without a daemon the stored leases."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portmapper.api.command import Command
from portmapper.api.errors import PortmapperError, StoreError
from portmapper.cli.options import add_config_option, add_state_option
from portmapper.cli.quick_status import show
from portmapper.support.wall_clock import wall_now

if TYPE_CHECKING:
    from portmapper.store.leases import Store

START_LIMIT = 3.0
"""Seconds to wait for a daemon that is starting."""


class Status(Command):
    """The command `status`."""

    name = "status"
    help = "show the mappings that the daemon keeps open"
    examples = ("portmapper status", "portmapper status --watch")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of `status`."""
        add_config_option(parser)
        add_state_option(parser)
        parser.add_argument("--json", action="store_true", help="print the answer as JSON")
        parser.add_argument(
            "--watch", action="store_true", help="update the screen every second until q or Ctrl-C"
        )

    def run(self, arguments: argparse.Namespace) -> int:
        """Print the status; return 0 if a daemon is running, in whatever state its mappings are, else 1."""
        from portmapper.config.paths import state_directory

        directory = (arguments.state_dir or state_directory()).absolute()
        if arguments.watch:
            return _watch(directory)
        document, runs = read_document(directory)
        show(document, arguments.json)  # the screen itself says that no daemon runs
        if arguments.json and not runs:
            print(
                f"portmapper: no daemon runs for {directory}; showing the leases of an earlier run",
                file=sys.stderr,
            )
        return 0 if runs else 1


def read_document(directory: Path) -> tuple[dict[str, Any], bool]:
    """Return the status document with the state directory, and whether a daemon runs."""
    from portmapper.control.client import NotRunning, call_daemon

    try:
        document, runs = call_daemon(directory, "status"), True
    except NotRunning:
        document = _of_a_starting_daemon(directory) or _from_store(directory)
        runs = document["pid"] is not None
    return {**document, "state_dir": str(directory)}, runs


def known_mappings(directory: Path) -> list[dict[str, Any]]:
    """Return the mappings of the daemon, or else those in the lease store; none if it cannot be read."""
    try:
        document, _ = read_document(directory)
    except StoreError:
        return []
    mappings: list[dict[str, Any]] = document["mappings"]
    return mappings


def _of_a_starting_daemon(directory: Path) -> dict[str, Any] | None:
    from portmapper.daemon.pidfile import holder_of
    from portmapper.daemon.turns import PID_FILE, wait_until_started

    if holder_of(directory / PID_FILE) is None or not wait_until_started(directory, START_LIMIT):
        return None
    from portmapper.control.client import call_daemon

    document: dict[str, Any] = call_daemon(directory, "status")
    return document


def _from_store(directory: Path) -> dict[str, Any]:
    from portmapper.observability.status import stored_document
    from portmapper.store.leases import FILE_NAME, Store

    path = directory / FILE_NAME
    store = Store(path if path.exists() else None)
    try:
        document = stored_document(store.leases)
        return {**document, "mappings": [*document["mappings"], *_paused(store)]}
    finally:
        store.close()


def _paused(store: Store) -> list[dict[str, Any]]:
    """Describe the rows that stay closed when a daemon runs again; the lists are not read."""
    if not store.pauses.known:
        return []
    from portmapper.api.model import Mapping
    from portmapper.daemon.held_back import held_back_documents
    from portmapper.sources.gates import decide
    from portmapper.sources.pauses import pause_gate

    rows = [
        Mapping(protocol, port, internal_port or port)
        for protocol, port, _, internal_port in store.pauses.known
    ]
    return held_back_documents(decide(rows, [pause_gate(store.pauses.known)], wall_now()).held_back)


def _watch(directory: Path) -> int:
    """Show the live screen until the user leaves it; without a daemon, wait for one."""
    import asyncio

    from portmapper.cli.lines import can_redraw
    from portmapper.cli.watch import live_screen, plain_screens

    async def watch() -> None:
        task = asyncio.current_task()
        assert task is not None, "asyncio.run created it"
        if can_redraw():
            await live_screen(lambda: _watched(directory), task.cancel)
        else:
            await plain_screens(lambda: _watched(directory))

    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(watch())
    return 0


def _watched(directory: Path) -> dict[str, Any]:
    """Return the document; an error of a daemon that starts or stops is shown and does not end the screen."""
    try:
        document, runs = read_document(directory)
    except PortmapperError as error:
        document, runs = _from_store(directory), False
        return {**document, "state_dir": str(directory), "error": str(error)}
    return document if runs else {**document, "error": "waiting for a daemon to start"}
