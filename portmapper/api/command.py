"""What a command is: one verb of the command line, ours or a plugin's."""

from __future__ import annotations

import abc
import argparse
from typing import ClassVar

from portmapper.support.text import sentence


class Command(abc.ABC):
    """One verb of the command line.

    Attributes:
        name: the verb.
        help: one line for the list of commands.
    """

    name: ClassVar[str]
    help: ClassVar[str]

    @abc.abstractmethod
    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the verb's options; called only when the verb or its help is wanted."""

    @abc.abstractmethod
    def run(self, arguments: argparse.Namespace) -> int:
        """Do it and return the exit status. A `PortmapperError` becomes one line on standard error."""


def build_parser(command: Command) -> argparse.ArgumentParser:
    """Build a command's parser the way the command line does."""
    parser = argparse.ArgumentParser(prog=f"portmapper {command.name}", description=sentence(command.help))
    command.add_arguments(parser)
    return parser
