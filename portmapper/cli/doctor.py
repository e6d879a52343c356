"""`portmapper doctor`: why a port is not open, and what to do about it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portmapper.api.command import Command
from portmapper.cli.options import (
    add_config_option,
    add_gateway_options,
    add_log_options,
    add_plugin_option,
    add_source_options,
    add_state_option,
    begin_logging,
)
from portmapper.cli.targets import directory_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from portmapper.api.findings import Finding
    from portmapper.api.reading import Reading
    from portmapper.doctor.desired import Desired
    from portmapper.pluginhost.manager import Plugins
    from portmapper.sources.reader import SourceReader
    from portmapper.store.leases import StoredLease

MARKS = {"ok": ("✓", "green"), "info": ("·", "cyan"), "warning": ("!", "yellow"), "error": ("✗", "red")}


class Doctor(Command):
    """Examine everything on the way from a list to an open port."""

    name = "doctor"
    help = "find out why a port is not open, and what to do"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        add_source_options(parser)
        parser.add_argument(
            "--no-probe", action="store_true", help="make no test mappings; they are given back at once"
        )
        parser.add_argument("--json", action="store_true", help="print the findings as JSON")
        add_gateway_options(parser)
        add_config_option(parser)
        add_state_option(parser)
        add_plugin_option(parser)
        add_log_options(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        """Examine, and print each finding as it comes; exit status 1 when one is an error."""
        import asyncio

        begin_logging(arguments, "error")
        return asyncio.run(_tell(arguments))


async def _tell(arguments: argparse.Namespace) -> int:
    findings = []
    with _telling(arguments.json) as tell:
        async for finding in _findings(arguments):
            findings.append(finding)
            tell(finding)
    if arguments.json:
        print(json.dumps({"findings": [_document(finding) for finding in findings]}, indent=2))
    else:
        _conclude(findings)
    return 1 if any(finding.severity == "error" for finding in findings) else 0


async def _findings(arguments: argparse.Namespace) -> AsyncIterator[Finding]:
    from portmapper.doctor.host import running_findings, state_directory_findings
    from portmapper.doctor.runner import Question, examine
    from portmapper.network.gateway_option import reachable_targets
    from portmapper.network.host import read_network
    from portmapper.pluginhost.manager import load_plugins

    plugins = load_plugins(arguments.disable_plugin)
    backends = [backend() for backend in plugins.choose_backends(arguments.backend)]
    network = read_network()
    chosen = reachable_targets(arguments.gateway, network)
    directory = directory_of(arguments)
    sources = list(dict.fromkeys([*arguments.source, *arguments.file]))
    for finding in state_directory_findings(directory):
        yield finding
    for finding in running_findings([directory / "portmapper.pid"], bool(sources)):
        yield finding
    leases = _leases(directory)
    told = None if sources else _ask_daemon(directory)
    if told is not None:
        desired, findings = told
    else:
        from portmapper.doctor.desired import desired_of_list

        readings, findings = await _read(arguments, plugins, sources)
        mappings = [mapping for reading in readings for mapping in reading.mappings]
        desired = desired_of_list(mappings, network, chosen, leases)
    for finding in findings:
        yield finding
    question = Question(
        backends, network, chosen, desired, leases, datetime.now(UTC), may_try=not arguments.no_probe
    )
    async for finding in examine(question):
        yield finding


async def _read(
    arguments: argparse.Namespace, plugins: Plugins, sources: Sequence[str]
) -> tuple[list[Reading], list[Finding]]:
    """Read each list, or what the settings file lists; one that cannot be read is a finding and no end."""
    from portmapper.doctor.host import source_findings

    readers, findings = _readers(arguments, plugins, sources)
    readings = [await reader.read() for reader in readers]
    for reader in readers:
        await reader.close()
    return readings, [*findings, *source_findings(readings)]


def _readers(
    arguments: argparse.Namespace, plugins: Plugins, sources: Sequence[str]
) -> tuple[list[SourceReader], list[Finding]]:
    from portmapper.api.errors import PortmapperError
    from portmapper.cli.options import format_options
    from portmapper.cli.run_config import RunConfig, policy_of
    from portmapper.doctor.host import unreadable
    from portmapper.sources.reader import open_source

    listed = arguments.settings_file.settings
    if not sources and not listed.sources and not listed.mapping:
        return [], []
    if not sources:
        return list(RunConfig(arguments, plugins, observed=False).setup.readers), []
    options, policy = format_options(arguments), policy_of(arguments)
    readers, findings = [], []
    for location in sources:
        try:
            form = arguments.format
            readers.append(open_source(location, plugins.sources, plugins.formats, form, options, policy))
        except PortmapperError as error:
            findings.append(unreadable(location, error))
    return readers, findings


def _ask_daemon(directory: Path) -> tuple[list[Desired], list[Finding]] | None:
    """Return the ports and lists of the daemon of that state directory, None when none runs."""
    from portmapper.control.client import NotRunning, ask_daemon
    from portmapper.doctor.desired import desired_of_daemon
    from portmapper.doctor.host import daemon_source_findings

    try:
        document: Mapping[str, Any] = ask_daemon(directory, "status")
    except NotRunning:
        return None
    return desired_of_daemon(document), list(daemon_source_findings(document["sources"]))


def _leases(directory: Path) -> Sequence[StoredLease]:
    from portmapper.api.errors import StoreError
    from portmapper.store.leases import FILE_NAME, Store

    path = directory / FILE_NAME
    try:
        store = Store(path if path.exists() else None)
    except StoreError:
        return ()  # what is wrong with the directory was told
    try:
        return tuple(store.leases)
    finally:
        store.close()


def _document(finding: Finding) -> dict[str, str]:
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "summary": finding.summary,
        "advice": finding.advice,
    }


@contextmanager
def _telling(as_json: bool) -> Iterator[Callable[[Finding], None]]:
    """Yield what prints a finding as it comes, on a terminal above a sign that more is to come."""
    if as_json:
        yield lambda _: None
    elif not sys.stdout.isatty():
        yield _print
    else:
        from rich.console import Console

        console = Console()
        with console.status("examining"):
            yield lambda finding: console.print(_drawn(finding))


def _lines(finding: Finding) -> list[str]:
    from portmapper.support.text import printable

    advice = [f"{printable(finding.advice)} [{finding.code}]"] if finding.advice else []
    return [printable(finding.summary), *advice]


def _print(finding: Finding) -> None:
    print(MARKS[finding.severity.value][0], "\n  ".join(_lines(finding)), flush=True)


def _drawn(finding: Finding) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    mark, colour = MARKS[finding.severity.value]
    summary, *advice = _lines(finding)
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row(Text(mark, style=colour), Text(summary))
    for line in advice:
        grid.add_row("", Text(line, style="dim"))
    return grid


def _conclude(findings: Sequence[Finding]) -> None:
    troubles = list(_troubles(findings))
    print(f"\n{len(troubles)} to look at: {', '.join(troubles)}" if troubles else "\nNothing is wrong.")


def _troubles(findings: Sequence[Finding]) -> Iterator[str]:
    yield from dict.fromkeys(f.code for f in findings if f.severity in ("error", "warning"))
