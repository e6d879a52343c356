"""`portmapper list`: show the mappings in the gateway's table."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Sequence
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
from portmapper.cli.progress import progress
from portmapper.cli.say import say
from portmapper.cli.targets import directory_of, opened_store, targets_with_leases
from portmapper.support.wall_clock import wall_now

if TYPE_CHECKING:
    from portmapper.actions.tables import GatewayTables, TableRow
    from portmapper.api.backend import Backend
    from portmapper.network.host import Network
    from portmapper.store.leases import Store

COLUMNS = ("address", "port", "protocol", "duration", "comment", "internal_port")


class List(Command):
    """The command `list`."""

    name = "list"
    help = "show the mappings in the gateway's table"
    examples = ("portmapper list", "portmapper list --stale", "portmapper list --csv > ports.csv")

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
        with progress("reading the gateway's table"):
            rows, is_partial = asyncio.run(_rows(arguments))
        if arguments.json:
            mappings = [_document(row, reason) for row, reason in rows]
            print(json.dumps({"mappings": mappings, "partial": is_partial}, indent=2))
        elif arguments.csv:
            _write_csv([row for row, _ in rows])
        else:
            show(rows, arguments.stale)
        return 0


async def _rows(arguments: argparse.Namespace) -> tuple[Sequence[tuple[TableRow, str]], bool]:
    """Return the rows, each with the reason why it is stale, and whether some may be missing."""
    from portmapper.network.host import read_network
    from portmapper.pluginhost.faults import instantiate
    from portmapper.pluginhost.manager import load_plugins

    backends = instantiate(
        "backend", load_plugins(arguments.disable_plugin).choose_backends(arguments.backend)
    )
    network = read_network()
    with opened_store(directory_of(arguments)) as store:
        return await _read_tables(arguments, backends, network, store)


async def _read_tables(
    arguments: argparse.Namespace, backends: Sequence[Backend], network: Network, store: Store
) -> tuple[Sequence[tuple[TableRow, str]], bool]:
    """Return the rows, each with the reason why it is stale, and whether some may be missing."""
    from portmapper.actions.stale import stale_rows
    from portmapper.actions.tables import GatewayTables
    from portmapper.api.errors import NoGateway

    targets = targets_with_leases(arguments, network, [stored.lease for stored in store.leases])
    now = wall_now()
    async with GatewayTables(backends, targets, store.leases, now, store.gateways) as tables:
        if not tables.gateways:
            raise NoGateway("no gateway answered; run 'portmapper doctor' to find out why")
        report_failures(tables)
        rows = await stale_rows(tables.rows, network) if arguments.stale else [(r, "") for r in tables.rows]
        return rows, bool(tables.partial or tables.failures)


def report_failures(tables: GatewayTables, *, leases_shown: bool = True) -> None:
    """Print to standard error which tables could not be read, and whether leases are shown instead."""
    from portmapper.support.text import plural, printable

    for identity, error in tables.failures.items():
        say(f"portmapper: cannot read the table of {identity}: {printable(str(error))}", sys.stderr)
    for identity, count in tables.partial.items():
        told = f"the table may be incomplete: {identity} failed after {plural(count, 'mapping')}"
        say(f"portmapper: {told}", sys.stderr)
    if leases_shown and not (tables.readable or tables.partial or tables.failures):
        say("portmapper: no gateway can list its table; showing portmapper's own leases", sys.stderr)


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
            say(f"portmapper: omitted {entry.protocol} {entry.external_port}", sys.stderr)
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
    from portmapper.cli.printed_table import print_table

    if not rows:
        print("no mappings")
        return
    cells = [_cells(row, reason, stale) for row, reason in rows]
    for name in ("Gateway", "Owner", "Time left", "Comment"):
        values = {row[name] for row in cells if name in row}
        if not values - {""} or (name == "Gateway" and len(values) == 1):
            for row in cells:
                row.pop(name, None)
    print_table(cells)


def _cells(row: TableRow, reason: str, stale: bool) -> dict[str, str]:
    """Return the cells of a row, in the words and units of `status`."""
    from portmapper.cli.wording import port_text, protocol_name
    from portmapper.support.duration import format_duration
    from portmapper.support.text import endpoint, printable

    entry = row.entry
    last = {"Stale because": reason} if stale else {"Comment": printable(_comment(row), 40)}
    return {
        "Port": port_text(entry.external_port, entry.protocol.value),
        "To": endpoint(entry.internal_address, entry.internal_port or "?", "?"),
        "Time left": format_duration(entry.lifetime) if entry.lifetime else "no end",
        "Owner": "portmapper" if row.stored else "",
        "Gateway": f"{protocol_name(row.backend)} {row.device}",
        **last,
    }


def _comment(row: TableRow) -> str:
    """Return the comment; the store has those that a protocol cannot keep."""
    return row.entry.comment or (row.stored.comment if row.stored else "")
