"""The parsers of all commands."""

from __future__ import annotations

from portmapper.cli.main import COMMANDS
from portmapper.cli.parsers import all_commands, full_parser


def test_built_in_commands_come_first() -> None:
    """Commands of plugins follow them."""
    names = [command.name for command in all_commands()]
    assert names[: len(COMMANDS)] == list(COMMANDS)
    assert "simulate" in names[len(COMMANDS) :]


def test_the_help_line_of_each_command_is_that_of_the_overview() -> None:
    """The overview has copies of the help lines, so that it imports no command."""
    helps = {command.name: command.help for command in all_commands()}
    assert {name: helps[name] for name in COMMANDS} == {name: text for name, (_, text) in COMMANDS.items()}


def test_every_command_is_a_subcommand_of_the_full_parser() -> None:
    """Its options are parsed."""
    arguments = full_parser().parse_args(["run", "ports.csv", "--interval", "5"])
    assert (arguments.command, arguments.source, arguments.interval) == ("run", ["ports.csv"], 5.0)
