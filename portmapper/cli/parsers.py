"""The parsers of all commands, for shell completion, the man page and the reference."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from portmapper import __version__
from portmapper.api.command import Command
from portmapper.cli.argument_parser import Parser
from portmapper.cli.main import COMMANDS, load_command, with_options_of_run
from portmapper.pluginhost.manager import load_plugins
from portmapper.support.text import sentence

SUMMARY = "keep ports open on your NAT gateway"


def all_commands() -> Iterator[Command]:
    """Yield the built-in commands in the order of the help, then those of plugins."""
    for path, _ in COMMANDS.values():
        yield load_command(path)()
    for command in load_plugins().commands:
        yield with_options_of_run(command())


def full_parser() -> argparse.ArgumentParser:
    """Return one parser that has every command as a subcommand."""
    parser = Parser(prog="portmapper", description=sentence(SUMMARY))
    parser.add_argument("-V", "--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    for command in all_commands():
        subparser = commands.add_parser(command.name, help=command.help, description=sentence(command.help))
        command.add_arguments(subparser)
    return parser
