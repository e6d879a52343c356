"""What a command is: one verb of the command line, ours or a plugin's."""

from __future__ import annotations

import abc
import argparse
from typing import ClassVar


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
