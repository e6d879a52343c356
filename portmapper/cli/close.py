"""`portmapper close`: close single ports, or with `--stale` what nobody answers for."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from portmapper.api.command import Command
from portmapper.api.errors import NoGateway, UsageError
from portmapper.cli.options import (
    add_config_option,
    add_gateway_options,
    add_log_options,
    add_plugin_option,
    add_state_option,
    begin_logging,
)
from portmapper.cli.targets import ask_daemon_if_any, directory_of, ports_of, targets_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from portmapper.actions.close import Outcome
    from portmapper.actions.tables import GatewayTables
    from portmapper.api.model import Protocol
    from portmapper.store.leases import Store

    Port = tuple[Protocol, int]


class Close(Command):
    """Close ports."""

    name = "close"
    help = "close single ports, or what nobody answers for"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "port", nargs="*", metavar="PORT/PROTO", help="external, such as 8080/tcp or 2722-2723/udp"
        )
        parser.add_argument(
            "--stale", action="store_true", help="instead: what 'list --stale' shows, after a question"
        )
        parser.add_argument("--yes", action="store_true", help="with --stale: do not ask")
        add_config_option(parser)
        add_gateway_options(parser)
        add_state_option(parser)
        add_plugin_option(parser)
        add_log_options(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        """Exit status 0 when none of them is ours and open any more, 1 when one could not be closed."""
        import asyncio

        if arguments.stale == bool(arguments.port):
            raise UsageError("name ports such as 8080/tcp, or give --stale")
        if arguments.yes and not arguments.stale:
            raise UsageError("--yes goes with --stale")
        begin_logging(arguments, "warning")
        directory = directory_of(arguments)
        closing = _Closing(arguments, directory, ports_of(arguments.port))
        with closing.own_store() as store:
            outcomes = asyncio.run(closing.close_stale(store) if arguments.stale else closing.close(store))
        return _report(outcomes)


class _Closing:
    """One call of the command: what the daemon holds through it, the rest at the gateways themselves."""

    def __init__(self, arguments: argparse.Namespace, directory: Path, ports: Sequence[Port]) -> None:
        self._arguments = arguments
        self._directory = directory
        self._ports = ports
        self._outcomes: list[Outcome] = []
        self._daemon_runs = self._ask_daemon(ports)

    @contextmanager
    def own_store(self) -> Iterator[Store]:
        """Give the lease store, locked; an empty one in memory where a daemon keeps it."""
        from portmapper.daemon.pidfile import PidFile
        from portmapper.store.leases import FILE_NAME, Store

        pid_file = None if self._daemon_runs else PidFile(self._directory / "portmapper.pid")
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

    async def close(self, store: Store) -> list[Outcome]:
        """Close the ports that were named."""
        from portmapper.actions.close import Outcome, PortCloser, Result
        from portmapper.sources.adhoc import AdhocMappings

        known = {(outcome.protocol, outcome.port) for outcome in self._outcomes}
        left = [port for port in self._ports if port not in known]
        if not left:
            return self._outcomes
        try:
            async with self._tables(store) as tables:
                removal = PortCloser(tables, store, self._network.is_ours)
                self._outcomes += [await removal.close(port) for port in left]
        except NoGateway:
            if not self._daemon_runs:
                raise
            # What the daemon does not hold, and no gateway that we know of, is not open.
            self._outcomes += [Outcome(*port, Result.NOT_OPEN) for port in left]
        requested = AdhocMappings(store)
        requested.remove([m for m in requested.mappings if (m.protocol, m.port) in left])
        return self._outcomes

    async def close_stale(self, store: Store) -> list[Outcome]:
        """Show what nobody answers for, ask, and close it."""
        from portmapper.actions.close import PortCloser
        from portmapper.actions.stale import stale_rows
        from portmapper.cli.list import show

        async with self._tables(store) as tables:
            rows = await stale_rows(tables.rows, self._network)
            if not rows:
                print("nothing is stale")
                return []
            show(rows, stale=True)
            if not self._arguments.yes and not _agreed(len(rows)):
                return []
            self._ask_daemon([(row.entry.protocol, row.entry.external_port) for row, _ in rows])
            known = {(outcome.protocol, outcome.port) for outcome in self._outcomes}
            removal = PortCloser(tables, store, self._network.is_ours)
            left = [row for row, _ in rows if (row.entry.protocol, row.entry.external_port) not in known]
            return self._outcomes + [await removal.close_row(row) for row in left]

    def _ask_daemon(self, ports: Sequence[Port]) -> bool:
        """Have the daemon close what it holds of these; tell whether one runs."""
        from portmapper.actions.close import Outcome, Result
        from portmapper.api.model import Protocol

        records = [{"port": port, "protocol": protocol.value} for protocol, port in ports]
        answer = ask_daemon_if_any(self._directory, "close", records)
        for told in answer["ports"] if answer else ():
            if told["result"] != "unknown":
                protocol, result = Protocol(told["protocol"]), Result(told["result"])
                self._outcomes.append(Outcome(protocol, told["port"], result, told["detail"]))
        return answer is not None

    @asynccontextmanager
    async def _tables(self, store: Store) -> AsyncIterator[GatewayTables]:
        from portmapper.actions.tables import GatewayTables
        from portmapper.cli.list import tell_of_failures
        from portmapper.network.host import read_network
        from portmapper.pluginhost.faults import made
        from portmapper.pluginhost.manager import load_plugins

        plugins = load_plugins(self._arguments.disable_plugin)
        backends = made("backend", plugins.choose_backends(self._arguments.backend))
        self._network = read_network()
        targets = targets_of(self._arguments, self._network)
        async with GatewayTables(backends, targets, store.leases, datetime.now(UTC)) as tables:
            if not tables.gateways:
                raise NoGateway("no gateway answered")
            tell_of_failures(tables, quiet_of_leases=True)
            yield tables


def _agreed(count: int) -> bool:
    """Ask whoever sits there; an end of the input is a no.

    The event loop would only take note of a Ctrl-C, and go on when the line is there: it has to end the
    waiting.
    """
    loops = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        print(f"Close {'it' if count == 1 else f'these {count}'}? [y/N] ", end="", flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")
    finally:
        signal.signal(signal.SIGINT, loops)


def _report(outcomes: Sequence[Outcome]) -> int:
    """Say of each port what became of it, and return the exit status."""
    from portmapper.actions.close import Result
    from portmapper.support.text import printable

    for outcome in outcomes:
        port = f"{outcome.protocol} {outcome.port}"
        if outcome.result in (Result.CLOSED, Result.NOT_OPEN):
            print(f"{port} is {outcome.result}")
        else:
            verb = "is still open" if outcome.result is not Result.LEFT_ALONE else "is left alone"
            print(f"portmapper: {port} {verb}: {printable(outcome.detail)}", file=sys.stderr)
    return 1 if any(outcome.result in (Result.FAILED, Result.LISTED) for outcome in outcomes) else 0
