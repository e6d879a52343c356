"""The interface of commands that run the daemon with further parts, such as a controller."""

from __future__ import annotations

import abc
import argparse
from collections.abc import Sequence

import attrs

from portmapper.api.command import Command
from portmapper.api.events import Observer
from portmapper.api.guard import Guard
from portmapper.api.source import Source
from portmapper.api.tokens import TokenSource


@attrs.frozen
class DaemonParts:
    """What a command adds to the daemon. A reload keeps these objects.

    Attributes:
        sources: read in addition to those of the command line and the settings.
        observers: receive every event.
        guard: decides whether this daemon may act; None for that of the options and settings.
        tokens: asked for tokens before all other sources of tokens.
    """

    sources: Sequence[Source] = ()
    observers: Sequence[Observer] = ()
    guard: Guard | None = None
    tokens: TokenSource | None = None


class DaemonCommand(Command):
    """A command that runs the daemon as `portmapper run` does, with further options and parts.

    portmapper adds the options of `run`, calls `add_arguments`, then `parts`, and runs the daemon.
    """

    @abc.abstractmethod
    def parts(self, arguments: argparse.Namespace) -> DaemonParts:
        """Return the parts for these arguments. Nothing has been sent, and no event loop runs yet.

        Raises:
            UsageError: an option is invalid.
        """

    def run(self, arguments: argparse.Namespace) -> int:
        """Refuse: only portmapper's command line has the daemon that this command runs."""
        raise NotImplementedError("portmapper's command line runs this command")
