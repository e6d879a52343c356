"""`portmapper list`: show the mappings in the gateway's table."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from portmapper.api.command import Command
from portmapper.cli.options import (
    add_config_option,
    add_gateway_options,
    add_log_options,
    add_plugin_option,
    add_state_option,
    configure_logging,
)
from portmapper.cli.targets import directory_of, targets_of

if TYPE_CHECKING:
    from portmapper.actions.tables import GatewayTables, TableRow

COLUMNS = ("address", "port", "protocol", "duration", "comment", "internal_port")


class List(Command):
    """The command `list`."""

    name = "list"
    help = "show the mappings in the gateway's table"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of `list`."""
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--json", action="store_true", help="print the table as JSON")
        form.add_argument("--csv", action="store_true", help="print the table as a list that 'run' reads")
        parser.add_argument(
            "--stale", action="store_true", help="show only stale mappings, and why they are stale"
        )
        add_config_option(parser)
        add_gateway_options(parser)
        add_state_option(parser)
        add_plugin_option(parser)
        add_log_options(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        """Query the gateways and print their tables; the exit status is 3 if no gateway answers."""
        import asyncio

        configure_logging(arguments, "warning")
        rows = asyncio.run(_rows(arguments))
        if arguments.json:
            print(json.dumps({"mappings": [_document(row, reason) for row, reason in rows]}, indent=2))
        elif arguments.csv:
            _write_csv([row for row, _ in rows])
        else:
            show(rows, arguments.stale)
        return 0


async def _rows(arguments: argparse.Namespace) -> Sequence[tuple[TableRow, str]]:
    from portmapper.actions.stale import stale_rows
    from portmapper.actions.tables import GatewayTables
    from portmapper.api.errors import NoGateway
    from portmapper.network.host import read_network
    from portmapper.pluginhost.faults import instantiate
    from portmapper.pluginhost.manager import load_plugins

    backends = instantiate(
        "backend", load_plugins(arguments.disable_plugin).choose_backends(arguments.backend)
    )
    network = read_network()
    targets = targets_of(arguments, network)
    async with GatewayTables(backends, targets, _leases(arguments), datetime.now(UTC)) as tables:
        if not tables.gateways:
            raise NoGateway("no gateway answered")
        report_failures(tables)
        return await stale_rows(tables.rows, network) if arguments.stale else [(r, "") for r in tables.rows]


def _leases(arguments: argparse.Namespace) -> Sequence[Any]:
    from portmapper.store.leases import FILE_NAME, Store

    path = directory_of(arguments) / FILE_NAME
    store = Store(path if path.exists() else None)
    try:
        return tuple(store.leases)
    finally:
        store.close()


def report_failures(tables: GatewayTables, *, leases_shown: bool = True) -> None:
    """Print to standard error which tables could not be read, and whether leases are shown instead."""
    from portmapper.support.text import printable

    for identity, error in tables.failures.items():
        print(f"portmapper: cannot read the table of {identity}: {printable(str(error))}", file=sys.stderr)
    if leases_shown and not tables.readable and not tables.failures:
        print("portmapper: no gateway can list its table; showing portmapper's own leases", file=sys.stderr)


def _document(row: TableRow, reason: str) -> dict[str, Any]:
    entry = row.entry
    document = {
        "protocol": entry.protocol.value,
        "external_port": entry.external_port,
        "internal_address": str(entry.internal_address) if entry.internal_address else None,
        "internal_port": entry.internal_port,
        "comment": entry.comment,
        "lifetime": entry.lifetime,
        "ours": row.stored is not None,
        "backend": row.backend,
        "gateway": row.device,
    }
    return {**document, "stale": reason} if reason else document


def _write_csv(rows: Sequence[TableRow]) -> None:
    from portmapper.support.text import printable

    writer = csv.writer(sys.stdout, delimiter=";", lineterminator="\n")
    # With several gateways, the same port can be open on each of them, so each row names its gateway.
    several = len({row.device for row in rows}) > 1
    writer.writerow((*COLUMNS, "gateway") if several else COLUMNS)
    for row in rows:
        entry = row.entry
        if entry.internal_address is None or not entry.external_port or not entry.internal_port:
            # `run` could not open it again: the internal host is unknown, or it maps every port.
            print(f"portmapper: omitted {entry.protocol} {entry.external_port}", file=sys.stderr)
            continue
        comment = printable(entry.comment)
        lifetime = entry.lifetime
        writer.writerow(
            (
                entry.internal_address,
                entry.external_port,
                entry.protocol.value,
                lifetime,
                comment,
                entry.internal_port,
                *([row.device] if several else []),
            )
        )


def show(rows: Sequence[tuple[TableRow, str]], stale: bool) -> None:
    """Print the rows as a table; if `stale`, show the reasons in place of the comments."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from portmapper.support.text import endpoint, printable

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("External")
    table.add_column("Internal", overflow="fold")
    table.add_column("Left", justify="right")
    table.add_column("Ours")
    table.add_column("By")
    several = len({row.device for row, _ in rows}) > 1
    table.add_column("Stale because" if stale else "Comment", overflow="fold", min_width=12)
    for row, reason in rows:
        entry = row.entry
        table.add_row(
            Text(f"{entry.protocol} {entry.external_port}"),
            Text(endpoint(entry.internal_address, entry.internal_port or "?", "?")),
            Text(f"{entry.lifetime} s" if entry.lifetime else "-"),
            Text("ours" if row.stored else ""),
            Text(f"{row.backend} at {row.device}" if several else row.backend),
            Text(reason or printable(entry.comment)),
        )
    Console().print(table)
