"""The command interface."""

from __future__ import annotations

import argparse

from portmapper.api.command import Command, build_parser


class Greet(Command):
    """A command with one option."""

    name = "greet"
    help = "say hello"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the option."""
        parser.add_argument("--name", default="you")

    def run(self, arguments: argparse.Namespace) -> int:
        """Do nothing."""
        return 0


def test_a_parser_has_the_commands_name_help_and_options() -> None:
    """The documentation and the contract tests use it without the command line."""
    parser = build_parser(Greet())
    assert parser.prog == "portmapper greet"
    assert parser.description == "Say hello."
    assert parser.parse_args(["--name", "me"]).name == "me"
