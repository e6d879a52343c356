"""`portmapper completion`: print a script with which a shell completes commands and options."""

from __future__ import annotations

import argparse

from portmapper.api.command import Command

SHELLS = ("bash", "zsh", "fish")
FILES = ("FILE", "SOURCE")
DIRECTORIES = ("DIR",)


class Completion(Command):
    """The command `completion`; its script includes the commands of the plugins installed now."""

    name = "completion"
    help = "print a completion script for bash, zsh or fish"
    examples = ("portmapper completion bash > ~/.local/share/bash-completion/completions/portmapper",)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the argument of `completion`."""
        parser.add_argument("shell", choices=SHELLS, help="the shell that runs the script")

    def run(self, arguments: argparse.Namespace) -> int:
        """Print the completion script."""
        import shtab

        from portmapper.cli.parsers import full_parser

        parser = full_parser()
        _mark_files(parser)
        print(shtab.complete(parser, shell=arguments.shell))
        return 0


def _mark_files(parser: argparse.ArgumentParser) -> None:
    """Mark the options whose values are files or directories, recognized by their metavar in the help."""
    import shtab

    # argparse has no public API to list a parser's options.
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for subparser in action.choices.values():
                _mark_files(subparser)
        elif action.metavar in FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.metavar in DIRECTORIES:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
