"""A command of a plugin that runs the daemon: `run` with further options and parts."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from portmapper.api.command import Command
from portmapper.api.daemon_command import DaemonCommand, DaemonParts
from portmapper.cli.main import COMMANDS, load_command


class RunWithParts(Command):
    """The command of a plugin, completed by the options of `run`."""

    def __init__(self, command: DaemonCommand) -> None:
        self.name = command.name  # type: ignore[misc]
        self.help = command.help  # type: ignore[misc]
        self.examples = command.examples  # type: ignore[misc]
        self._command = command

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of `run`, then those of the command."""
        _run().add_arguments(parser)
        self._command.add_arguments(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        """Run the daemon with the parts of the command."""
        return _run(self._command.parts(arguments)).run(arguments)


def _run(parts: DaemonParts | None = None) -> Command:
    kind: Callable[[DaemonParts | None], Command] = load_command(COMMANDS["run"][0])
    return kind(parts)
