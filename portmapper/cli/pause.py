"""`portmapper pause` and `resume`: close rows of a list for a while, without an edit of the list."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from portmapper.api.command import Command
from portmapper.cli.options import add_config_option, add_state_option
from portmapper.cli.pause_result import report
from portmapper.cli.progress import progress
from portmapper.cli.say import say
from portmapper.cli.targets import call_daemon, directory_of, ports_of
from portmapper.support.wall_clock import wall_now

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from portmapper.api.model import Protocol
    from portmapper.store.leases import Store

    Port = tuple[Protocol, int]


class _PauseCommand(Command):
    """What both commands have in common."""

    step: ClassVar[str]

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument(
            "port",
            nargs="+",
            metavar="PORT[/PROTO]",
            help="an external port, such as 8080 (tcp), 8080/udp or 2722-2723/both, or a preset",
        )
        add_config_option(parser)
        add_state_option(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        """Send the request to the daemon, or change the store; return 1 if a port is in no list."""
        ports = ports_of(arguments.port)
        directory = directory_of(arguments)
        records = [{"port": port, "protocol": protocol.value} for protocol, port in ports]
        with progress(self.step):
            answer = call_daemon(directory, self.name, records)
        if answer is None:
            return self._without_daemon(directory, ports)
        return report(answer["ports"])

    def _without_daemon(self, directory: Path, ports: Sequence[Port]) -> int:
        from portmapper.daemon.pidfile import PidFile
        from portmapper.daemon.turns import COMMAND_LIMIT, PID_FILE, in_turn
        from portmapper.store.leases import FILE_NAME, Store

        pid_file = in_turn(lambda: PidFile(directory / PID_FILE), directory, COMMAND_LIMIT)
        try:
            pid_file.write()
            store = Store(directory / FILE_NAME)
            try:
                return self.change(store, ports)
            finally:
                store.close()
        finally:
            pid_file.remove()

    def change(self, store: Store, ports: Sequence[Port]) -> int:
        """Change the store and print the result; return the exit status."""
        raise NotImplementedError


class Pause(_PauseCommand):
    """The command `pause`."""

    name = "pause"
    help = "close rows of a list until they are resumed"
    examples = ("portmapper pause 8080", "portmapper pause 27015/both")
    step = "closing the ports"

    def change(self, store: Store, ports: Sequence[Port]) -> int:
        """Pause rows with these ports from the next run on."""
        from portmapper.actions.pause import pause_in_store

        pause_in_store(store, ports, wall_now())
        _print_lines(ports, "is paused. No daemon runs: the next 'portmapper run' closes it.")
        return 0


class Resume(_PauseCommand):
    """The command `resume`."""

    name = "resume"
    help = "open rows again that were paused"
    examples = ("portmapper resume 8080", "portmapper resume 27015/both")
    step = "opening the ports"

    def change(self, store: Store, ports: Sequence[Port]) -> int:
        """End the pauses of rows with these ports."""
        from portmapper.actions.pause import resume_in_store

        resumed = resume_in_store(store, ports, wall_now())
        _print_lines(resumed, "is resumed. No daemon runs: the next 'portmapper run' opens it.")
        _print_lines([port for port in ports if port not in resumed], "was not paused")
        return 0


def _print_lines(ports: Iterable[Port], text: str) -> None:
    from portmapper.cli.wording import port_text

    for protocol, port in ports:
        say(f"{port_text(port, protocol)} {text}")
