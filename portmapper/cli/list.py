"""`portmapper list`: what is open on the gateway, by its own table."""

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
    begin_logging,
)
from portmapper.cli.targets import directory_of, targets_of

if TYPE_CHECKING:
    from portmapper.actions.tables import GatewayTables, Listed

COLUMNS = ("address", "port", "protocol", "duration", "comment", "internal_port")


class List(Command):
    """Show a gateway's table."""

    name = "list"
    help = "show what is open on the gateway, by its own table"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--json", action="store_true", help="print the table as JSON")
        form.add_argument("--csv", action="store_true", help="print the table as a list that 'run' reads")
        parser.add_argument("--stale", action="store_true", help="only what nobody answers for, and why")
        add_config_option(parser)
        add_gateway_options(parser)
        add_state_option(parser)
        add_plugin_option(parser)
        add_log_options(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        """Ask, wait, print; exit status 3 when nobody answered."""
        import asyncio

        begin_logging(arguments, "warning")
        rows = asyncio.run(_rows(arguments))
        if arguments.json:
            print(json.dumps({"mappings": [_document(row, reason) for row, reason in rows]}, indent=2))
        elif arguments.csv:
            _write_csv([row for row, _ in rows])
        else:
            show(rows, arguments.stale)
        return 0


async def _rows(arguments: argparse.Namespace) -> Sequence[tuple[Listed, str]]:
    from portmapper.actions.stale import stale_rows
    from portmapper.actions.tables import GatewayTables
    from portmapper.api.errors import NoGateway
    from portmapper.network.host import read_network
    from portmapper.pluginhost.faults import made
    from portmapper.pluginhost.manager import load_plugins

    backends = made("backend", load_plugins(arguments.disable_plugin).choose_backends(arguments.backend))
    network = read_network()
    targets = targets_of(arguments, network)
    async with GatewayTables(backends, targets, _leases(arguments), datetime.now(UTC)) as tables:
        if not tables.gateways:
            raise NoGateway("no gateway answered")
        tell_of_failures(tables)
        return await stale_rows(tables.rows, network) if arguments.stale else [(r, "") for r in tables.rows]


def _leases(arguments: argparse.Namespace) -> Sequence[Any]:
    from portmapper.store.leases import FILE_NAME, Store

    path = directory_of(arguments) / FILE_NAME
    store = Store(path if path.exists() else None)
    try:
        return tuple(store.leases)
    finally:
        store.close()


def tell_of_failures(tables: GatewayTables, quiet_of_leases: bool = False) -> None:
    """Say on standard error which table could not be read."""
    from portmapper.support.text import printable

    for identity, error in tables.failures.items():
        print(f"portmapper: {identity} does not show its table: {printable(str(error))}", file=sys.stderr)
    if not tables.readable and not tables.failures and not quiet_of_leases:
        print("portmapper: no gateway here shows its table; these are our own leases", file=sys.stderr)


def _document(row: Listed, reason: str) -> dict[str, Any]:
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


def _write_csv(rows: Sequence[Listed]) -> None:
    from portmapper.support.text import printable

    writer = csv.writer(sys.stdout, delimiter=";", lineterminator="\n")
    # Two gateways may have the same port open, each in its own right.
    several = len({row.device for row in rows}) > 1
    writer.writerow((*COLUMNS, "gateway") if several else COLUMNS)
    for row in rows:
        entry = row.entry
        if entry.internal_address is None or not entry.external_port or not entry.internal_port:
            # It could not be opened again: nobody told whom for, or it is for every port there is.
            print(f"portmapper: left out: {entry.protocol} {entry.external_port}", file=sys.stderr)
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


def show(rows: Sequence[tuple[Listed, str]], stale: bool) -> None:
    """Show rows as a table, with why they are stale."""
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
