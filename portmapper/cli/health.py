"""`portmapper health`: report whether the daemon works, for health checks of containers and services."""

from __future__ import annotations

import argparse

from portmapper.api.command import Command
from portmapper.cli.options import add_state_option
from portmapper.cli.targets import add_lenient_config_option, directory_of_daemon

LIMIT = 5.0
"""Seconds to wait for the daemon's answer."""


class Health(Command):
    """The command `health`."""

    name = "health"
    help = "exit with 0 if the daemon works, else with 1"
    examples = ("portmapper health", "portmapper health --ready")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of `health`."""
        parser.add_argument(
            "--ready", action="store_true", help="also require that a gateway answers and the lists were read"
        )
        add_lenient_config_option(parser)
        add_state_option(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        """Ask the daemon; an error is one line and exit status 1."""
        from portmapper.control.client import call_daemon

        path = "/readyz" if arguments.ready else "/healthz"
        answer = call_daemon(directory_of_daemon(arguments), path, limit=LIMIT)
        print(answer["status"])
        return 0
