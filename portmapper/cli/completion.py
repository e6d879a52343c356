"""`portmapper completion`: print a script with which a shell completes commands and options."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from types import MappingProxyType

from portmapper.api.command import Command

SHELLS = ("bash", "zsh", "fish")
FILES = ("FILE", "SOURCE")
DIRECTORIES = ("DIR",)

ASKED = MappingProxyType(
    {
        ("close", "port"): "portmapper status 2>/dev/null | grep -oE '^[0-9]+/(tcp|udp)'",
        (
            "",
            "--profile",
        ): "portmapper simulate --list | sed -n '/^Profiles/,/^Quirks/s/^  \\([a-z-]*\\) .*/\\1/p'",
    }
)
"""Commands that print the values of an argument or option when Tab is pressed."""


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
        _complete_values(parser, _installed_values(), "")
        print(shtab.complete(parser, shell=arguments.shell))
        return 0


def _installed_values() -> dict[tuple[str, str], Sequence[str]]:
    """Return the values of options and arguments, by command and name; options are the same everywhere."""
    from portmapper.pluginhost.manager import load_plugins
    from portmapper.sources.presets import presets

    plugins = load_plugins()
    formats = ["auto", *(form.name for form in plugins.formats)]
    return {
        ("", "--backend"): [backend.name for backend in plugins.backends],
        ("", "--disable-plugin"): [report.name for report in plugins.reports],
        ("", "--format"): formats,
        ("open", "port"): list(presets()),
    }


def _complete_values(
    parser: argparse.ArgumentParser, values: dict[tuple[str, str], Sequence[str]], command: str
) -> None:
    """Mark what the shell completes: files, directories, installed names, and the ports that are open."""
    import shtab

    # argparse has no public API to list a parser's options.
    for action in parser._actions:
        name = action.option_strings[-1] if action.option_strings else action.dest
        key = ("" if action.option_strings else command, name)
        if isinstance(action, argparse._SubParsersAction):
            for subcommand, subparser in action.choices.items():
                _complete_values(subparser, values, subcommand)
        elif key in values:
            action.choices = values[key]
        elif key in ASKED:
            action.complete = shtab.cmd(ASKED[key])  # type: ignore[attr-defined]
        elif action.metavar in FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.metavar in DIRECTORIES:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
