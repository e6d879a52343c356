"""`portmapper version`: print the version."""

from __future__ import annotations

import argparse

from portmapper import __version__
from portmapper.api.command import Command


class Version(Command):
    """The command `version`."""

    name = "version"
    help = "print the version"
    examples = ("portmapper version",)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add no option."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Print the version."""
        print(f"portmapper {__version__}")
        return 0
