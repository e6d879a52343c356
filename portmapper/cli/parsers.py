"""The parsers of all commands, for what is made from them: completions, the man page, the reference."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from portmapper import __version__
from portmapper.api.command import Command
from portmapper.cli.main import COMMANDS, imported
from portmapper.pluginhost.manager import load_plugins
from portmapper.support.text import sentence

SUMMARY = "keep ports open on the NAT gateway in front of you"


def every_command() -> Iterator[Command]:
    """Yield ours in the order of the help, then those of plugins."""
    for where, _ in COMMANDS.values():
        yield imported(where)()
    for added in load_plugins().commands:
        yield added()


def whole_parser() -> argparse.ArgumentParser:
    """Return one parser with every command below it."""
    parser = argparse.ArgumentParser(prog="portmapper", description=sentence(SUMMARY))
    parser.add_argument("-V", "--version", action="version", version=__version__)
    below = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    for command in every_command():
        added = below.add_parser(command.name, help=command.help, description=sentence(command.help))
        command.add_arguments(added)
    return parser
