"""`portmapper plugins`: what is loaded, from where, what it provides, and what failed and why."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from portmapper.cli.options import add_plugin_option
from portmapper.command import Command

if TYPE_CHECKING:
    from portmapper.plugins import PluginReport


class ListPlugins(Command):
    """Show the plugins and what they provide."""

    name = "plugins"
    help = "show the plugins and what they provide"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        add_plugin_option(parser)
        parser.add_argument("--json", action="store_true", help="print the answer as JSON")

    def run(self, arguments: argparse.Namespace) -> int:
        """Print one row for each entry point."""
        from portmapper.plugins import load_plugins

        reports = load_plugins(arguments.disable_plugin).reports
        if arguments.json:
            import attrs

            print(json.dumps([attrs.asdict(report) for report in reports], indent=2))
        else:
            _show(reports)
        return 0


def _show(reports: Sequence[PluginReport]) -> None:
    from rich.console import Console
    from rich.table import Table

    from portmapper.text import printable

    table = Table("Plugin", "State", "From", "Provides", box=None, pad_edge=False)
    for report in reports:
        provides = printable(report.error) if report.error else "\n".join(report.provides)
        table.add_row(report.name, report.state, f"{report.distribution} {report.version}", provides)
    Console(markup=False, highlight=False).print(table)
