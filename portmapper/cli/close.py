"""`portmapper close`: close single ports, or with `--stale` all stale mappings."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from portmapper.api.command import Command
from portmapper.api.errors import NoGateway, UsageError
from portmapper.cli.close_result import report, report_other_protocol
from portmapper.cli.options import (
    add_config_option,
    add_gateway_options,
    add_log_options,
    add_plugin_option,
    add_state_option,
    configure_logging,
)
from portmapper.cli.progress import progress
from portmapper.cli.targets import call_daemon, directory_of, ports_of, targets_with_leases
from portmapper.support.plugin_state import STATE
from portmapper.support.wall_clock import wall_now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Iterator

    from portmapper.actions.close import CloseOutcome
    from portmapper.actions.tables import GatewayTables
    from portmapper.api.model import Lease, Protocol
    from portmapper.store.leases import Store

    Port = tuple[Protocol, int]


class Close(Command):
    """The command `close`."""

    name = "close"
    help = "close single ports, or all stale mappings"
    examples = ("portmapper close 8080 27015/udp", "portmapper close --stale")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of `close`."""
        parser.add_argument(
            "port",
            nargs="*",
            metavar="PORT[/PROTO]",
            help="an external port, such as 8080 (tcp), 8080/udp or 2722-2723/both, or a preset",
        )
        parser.add_argument(
            "--stale", action="store_true", help="close what 'list --stale' shows, after a confirmation"
        )
        parser.add_argument("--yes", action="store_true", help="with --stale: do not ask for confirmation")
        add_config_option(parser)
        add_gateway_options(parser)
        add_state_option(parser)
        add_plugin_option(parser)
        add_log_options(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        """Close the ports; return 0 if none of our mappings is left there, 1 if closing one failed."""
        import asyncio

        if arguments.stale == bool(arguments.port):
            raise UsageError("specify ports such as 8080/tcp, or use --stale")
        if arguments.yes and not arguments.stale:
            raise UsageError("--yes needs --stale")
        configure_logging(arguments, "warning")
        directory = STATE.directory = directory_of(arguments)
        ports = ports_of(arguments.port)
        if arguments.stale:
            # No spinner: it asks for a confirmation.
            closer = _Closer(arguments, directory, ports)
            with closer.store() as store:
                outcomes = asyncio.run(closer.close_stale(store))
        else:
            with progress("closing the ports"):
                closer = _Closer(arguments, directory, ports)
                with closer.store() as store:
                    outcomes = asyncio.run(closer.close(store))
        status = _report(outcomes)
        _report_other_protocol(arguments, directory)
        return status


class _Closer:
    """Closes ports: those that the daemon holds through the daemon, the others directly at the gateways."""

    def __init__(self, arguments: argparse.Namespace, directory: Path, ports: Sequence[Port]) -> None:
        self._arguments = arguments
        self._directory = directory
        self._ports = ports
        self._outcomes: list[CloseOutcome] = []
        self._daemon_runs = self._close_in_daemon(ports)

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Lock and yield the lease store, or an empty one in memory if a running daemon uses it."""
        from portmapper.daemon.pidfile import PidFile
        from portmapper.daemon.turns import COMMAND_LIMIT, PID_FILE, in_turn
        from portmapper.store.leases import FILE_NAME, Store

        directory = self._directory
        pid_file = (
            None
            if self._daemon_runs
            else in_turn(lambda: PidFile(directory / PID_FILE), directory, COMMAND_LIMIT)
        )
        try:
            if pid_file:
                pid_file.write()
            store = Store(None if self._daemon_runs else self._directory / FILE_NAME)
            try:
                yield store
            finally:
                store.close()
        finally:
            if pid_file:
                pid_file.remove()

    async def close(self, store: Store) -> list[CloseOutcome]:
        """Close the ports given on the command line."""
        from portmapper.actions.close import CloseOutcome, CloseResult, PortCloser
        from portmapper.sources.adhoc import AdhocMappings

        done = {(outcome.protocol, outcome.port) for outcome in self._outcomes}
        left = [port for port in self._ports if port not in done]
        if not left:
            return self._outcomes
        try:
            async with self._tables(store, left) as tables:
                closer = PortCloser(tables, store, self._network.is_ours)
                self._outcomes += [await closer.close(port) for port in left]
        except NoGateway:
            if not self._daemon_runs:
                raise
            # The daemon does not hold these ports and no gateway answers, so they are not open.
            self._outcomes += [CloseOutcome(*port, CloseResult.NOT_OPEN) for port in left]
        adhoc = AdhocMappings(store)
        adhoc.remove([m for m in adhoc.mappings if (m.protocol, m.port) in left])
        return self._outcomes

    async def close_stale(self, store: Store) -> list[CloseOutcome]:
        """Show the stale mappings, ask for confirmation, and close them."""
        from portmapper.actions.close import PortCloser
        from portmapper.actions.stale import stale_rows
        from portmapper.cli.list import show

        async with self._tables(store) as tables:
            rows = await stale_rows(tables.rows, self._network)
            if not rows:
                print("nothing is stale")
                return []
            show(rows, stale=True)
            if not self._arguments.yes and not _confirmed(len(rows)):
                return []
            self._close_in_daemon([(row.entry.protocol, row.entry.external_port) for row, _ in rows])
            done = {(outcome.protocol, outcome.port) for outcome in self._outcomes}
            closer = PortCloser(tables, store, self._network.is_ours)
            left = [row for row, _ in rows if (row.entry.protocol, row.entry.external_port) not in done]
            return self._outcomes + [await closer.close_row(row) for row in left]

    def _close_in_daemon(self, ports: Sequence[Port]) -> bool:
        """Let the daemon close those of these ports that it holds; return whether a daemon is running."""
        from portmapper.actions.close import CloseOutcome, CloseResult
        from portmapper.api.model import Protocol

        records = [{"port": port, "protocol": protocol.value} for protocol, port in ports]
        answer = call_daemon(self._directory, "close", records)
        for closed in answer["ports"] if answer else ():
            if closed["result"] != "unknown":
                protocol, result = Protocol(closed["protocol"]), CloseResult(closed["result"])
                self._outcomes.append(CloseOutcome(protocol, closed["port"], result, closed["detail"]))
        return answer is not None

    @asynccontextmanager
    async def _tables(self, store: Store, ports: Sequence[Port] = ()) -> AsyncIterator[GatewayTables]:
        """Read the tables of all gateways; if every port is one of our leases, only of their gateways."""
        from portmapper.actions.tables import GatewayTables
        from portmapper.cli.list import report_failures
        from portmapper.network.host import read_network
        from portmapper.pluginhost.faults import instantiate
        from portmapper.pluginhost.manager import load_plugins

        plugins = load_plugins(self._arguments.disable_plugin)
        backends = instantiate("backend", plugins.choose_backends(self._arguments.backend))
        self._network = read_network()
        leases = [stored.lease for stored in store.leases]
        wanted = leases_of(ports, leases)
        targets = targets_with_leases(
            self._arguments, self._network, wanted or leases, only=wanted is not None
        )
        now = wall_now()
        async with GatewayTables(backends, targets, store.leases, now, store.gateways) as tables:
            if not tables.gateways:
                raise NoGateway("no gateway answered; run 'portmapper doctor' to find out why")
            report_failures(tables, leases_shown=False)
            yield tables


def leases_of(ports: Collection[Port], leases: Iterable[Lease]) -> list[Lease] | None:
    """Return our leases of these ports, or None unless each port has one.

    A port may be open over both IP versions, and from several addresses.
    """
    found = [lease for lease in leases if (lease.protocol, lease.external_port) in ports]
    is_complete = {(lease.protocol, lease.external_port) for lease in found} == set(ports)
    return found if found and is_complete else None


def _confirmed(count: int) -> bool:
    """Ask the user for confirmation; the end of standard input counts as no.

    asyncio's own handler for Ctrl-C only cancels the task after the line has been read. Python's default
    handler interrupts the read.
    """
    asyncio_handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        print(f"Close {'it' if count == 1 else f'these {count}'}? [y/N] ", end="", flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")
    finally:
        signal.signal(signal.SIGINT, asyncio_handler)


def _report(outcomes: Sequence[CloseOutcome]) -> int:
    """Print the result for each port and return the exit status."""
    return report(
        [
            {
                "port": outcome.port,
                "protocol": outcome.protocol.value,
                "result": outcome.result.value,
                "detail": outcome.detail,
            }
            for outcome in outcomes
        ]
    )


def _report_other_protocol(arguments: argparse.Namespace, directory: Path) -> None:
    from portmapper.cli.farewell import options_of_close
    from portmapper.cli.status import known_mappings

    numbers = {port for _, port in ports_of([text for text in arguments.port if "/" not in text])}
    closed = {(protocol.value, port) for protocol, port in ports_of(arguments.port)}
    if numbers:
        report_other_protocol(known_mappings(directory), closed, numbers, options_of_close(arguments.given))
