"""`portmapper plugins`: list the plugins with what they provide or why they failed; `new` creates one."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from portmapper.api.command import Command
from portmapper.api.errors import UsageError
from portmapper.cli.options import add_plugin_option

if TYPE_CHECKING:
    from portmapper.pluginhost.manager import PluginReport

TEST = "python3 -m venv .venv && .venv/bin/pip install '.[test]' && .venv/bin/pytest"
TEST_ON_WINDOWS = r"""python -m venv .venv && .venv\Scripts\pip install ".[test]" && .venv\Scripts\pytest"""


class ListPlugins(Command):
    """The command `plugins`."""

    name = "plugins"
    help = "show the plugins and what they provide, or create a new one"
    examples = ("portmapper plugins", "portmapper plugins new NAME --kind backend")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of `plugins`."""
        from portmapper.pluginhost.kinds import KINDS

        parser.add_argument("action", nargs="?", choices=("new",), help="create a plugin project")
        parser.add_argument(
            "project", nargs="?", metavar="NAME", help="with new: the name of the distribution"
        )
        parser.add_argument("--kind", choices=KINDS, help="with new: what the plugin provides")
        add_plugin_option(parser)
        parser.add_argument("--json", action="store_true", help="print the answer as JSON")

    def run(self, arguments: argparse.Namespace) -> int:
        """Print one row for each plugin, or create a project."""
        from portmapper.pluginhost.manager import load_plugins

        if arguments.action or arguments.kind:
            return _create(arguments.project, arguments.kind)
        plugins = load_plugins(arguments.disable_plugin)
        plugins.complete()
        reports = plugins.reports
        if arguments.json:
            import attrs

            print(json.dumps([attrs.asdict(report) for report in reports], indent=2))
        else:
            _show(reports)
        return 0


def _create(name: str | None, kind: str | None) -> int:
    from portmapper.cli.new_plugin import write_project
    from portmapper.pluginhost.kinds import KINDS

    if name is None or kind is None:
        raise UsageError(
            "'plugins new' needs a name and a kind; for example: portmapper plugins new my-router "
            f"--kind backend (kinds: {', '.join(KINDS)})"
        )
    module = write_project(name, kind)
    print(f"Edit: {module} works without changes; its comments show what to replace.")
    print(f"Test: cd {name} && {TEST_ON_WINDOWS if sys.platform == 'win32' else TEST}")
    print(f"Use:  portmapper install ./{name} && portmapper plugins")
    return 0


def _show(reports: Sequence[PluginReport]) -> None:
    from portmapper.cli.printed_table import print_table

    if not reports:
        return
    cells = [_cells(report) for report in reports]
    print_table(cells)


def _cells(report: PluginReport) -> dict[str, str]:
    from portmapper.support.text import printable

    return {
        "Plugin": report.name,
        "State": report.state,
        "From": f"{report.distribution} {report.version}",
        "Provides": printable(report.error) if report.error else ", ".join(report.provides),
    }
