"""`portmapper completion`: what a shell needs to complete our commands and options."""

from __future__ import annotations

import argparse

from portmapper.api.command import Command

SHELLS = ("bash", "zsh", "fish")
FILES = ("FILE", "SOURCE")
DIRECTORIES = ("DIR",)


class Completion(Command):
    """Print a completion script, of the commands and plugins that are installed now."""

    name = "completion"
    help = "print a completion script for bash, zsh or fish"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("shell", choices=SHELLS, help="the shell that is to complete")

    def run(self, arguments: argparse.Namespace) -> int:
        """Print it."""
        import shtab

        from portmapper.cli.parsers import whole_parser

        parser = whole_parser()
        _mark_files(parser)
        print(shtab.complete(parser, shell=arguments.shell))
        return 0


def _mark_files(parser: argparse.ArgumentParser) -> None:
    """Tell which values are files and directories, by how the help calls them."""
    import shtab

    # argparse has no public way to a parser's options.
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                _mark_files(below)
        elif action.metavar in FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.metavar in DIRECTORIES:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
