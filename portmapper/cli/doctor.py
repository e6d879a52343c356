"""`portmapper doctor`: find out why a port is not open, and what to do about it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portmapper.api.command import Command
from portmapper.api.errors import UsageError
from portmapper.cli.options import (
    add_config_option,
    add_gateway_options,
    add_log_options,
    add_plugin_option,
    add_source_options,
    add_state_option,
    configure_logging,
)
from portmapper.cli.progress import progress
from portmapper.cli.say import say
from portmapper.cli.targets import directory_of, opened_store
from portmapper.support.wall_clock import wall_now

if TYPE_CHECKING:
    from portmapper.api.backend import Target
    from portmapper.api.errors import PortmapperError
    from portmapper.api.findings import Finding
    from portmapper.api.model import Mapping as DesiredMapping
    from portmapper.doctor.desired import DesiredPort
    from portmapper.doctor.outside import OutsideProbe
    from portmapper.network.host import Network
    from portmapper.pluginhost.manager import Plugins
    from portmapper.sources.reader import SourceReader
    from portmapper.store.stored_lease import StoredLease

MARKS = {"ok": ("✓", "green"), "info": ("·", "cyan"), "warning": ("!", "yellow"), "error": ("✗", "red")}


class Doctor(Command):
    """The command `doctor`; it checks every step from the list to the open port."""

    name = "doctor"
    help = "find out why a port is not open, and what to do"
    examples = (
        "portmapper doctor",
        "portmapper doctor ports.csv",
        "portmapper doctor --report portmapper-report.txt",
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of `doctor`."""
        add_source_options(parser)
        parser.add_argument(
            "--no-probe", action="store_true", help="create no test mappings (they are released at once)"
        )
        _add_probe_options(parser)
        parser.add_argument("--json", action="store_true", help="print the findings as JSON")
        parser.add_argument(
            "--json-lines",
            action="store_true",
            help="print each finding as one line of JSON as soon as it is known",
        )
        parser.add_argument(
            "--report",
            type=Path,
            metavar="FILE",
            help="also write a report for an issue to FILE, without addresses, names and secrets",
        )
        add_gateway_options(parser)
        add_config_option(parser)
        add_state_option(parser)
        add_plugin_option(parser)
        add_log_options(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        """Examine, and print the report; return 1 if a finding is an error."""
        from portmapper.support.windows_loop import run

        configure_logging(arguments, "error")
        return run(_examine(arguments))

    def report_invalid_settings(self, arguments: argparse.Namespace, error: PortmapperError) -> None:
        """Write the report of `--report`, although nothing can be examined."""
        if arguments.report:
            _write_report(arguments, [f"error {error}"])


def _add_probe_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--probe",
        metavar="URL",
        help="ask this probe server whether the ports are reachable from outside; default: the one in "
        "the settings",
    )
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="a file with the probe server's token"
    )
    parser.add_argument(
        "--ca-file", type=Path, metavar="FILE", help="a file with the probe server's certificate"
    )


async def _examine(arguments: argparse.Namespace) -> int:
    findings: list[Finding] = []
    comments: list[str] = []
    with progress("reading the lists") as show:
        async for finding in _findings(arguments, show, comments):
            findings.append(finding)
            if arguments.json_lines:
                print(json.dumps(_document(finding)), flush=True)
    if arguments.json:
        print(json.dumps({"findings": [_document(finding) for finding in findings]}, indent=2))
    elif not arguments.json_lines:
        _print(findings, verbose=arguments.verbose)
    if arguments.report:
        from portmapper.cli.doctor_report import report

        lines = [f"{severity} {text}".strip() for severity, text in report(findings, verbose=True)]
        _write_report(arguments, lines, comments)
    return 1 if any(finding.severity == "error" for finding in findings) else 0


def _write_report(arguments: argparse.Namespace, lines: Sequence[str], comments: Sequence[str] = ()) -> None:
    from portmapper.config.paths import settings_file
    from portmapper.doctor.report_file import ReportInput, write_report
    from portmapper.pluginhost.manager import load_plugins

    given = ReportInput(
        lines,
        sys.argv[1:],
        directory_of(arguments),
        arguments.config or settings_file(),
        arguments.log_file,
        load_plugins(arguments.disable_plugin).reports,
        comments,
    )
    write_report(arguments.report, given)
    say(f"portmapper: wrote {arguments.report}. Read it before you publish it.", sys.stderr)


async def _findings(
    arguments: argparse.Namespace, show: Callable[[str], None], comments: list[str]
) -> AsyncIterator[Finding]:
    """Yield the findings, and add the comments of the lists, which a report must not contain."""
    from portmapper.doctor.runner import DoctorRequest, run_checks
    from portmapper.pluginhost.manager import load_plugins

    plugins = load_plugins(arguments.disable_plugin)
    backends = [backend() for backend in plugins.choose_backends(arguments.backend)]
    network, chosen = _place(arguments)
    directory = directory_of(arguments)
    for finding in _of_this_host(directory):
        yield finding
    # An unreadable store is among those.
    with opened_store(directory, or_empty=True) as store:
        leases, known = tuple(store.leases), store.gateways
    desired, findings = await _desired(arguments, plugins, network, chosen, leases, comments)
    for finding in [*findings, *_hook_findings(arguments, plugins)]:
        yield finding
    question = DoctorRequest(
        backends,
        network,
        chosen,
        desired,
        leases,
        wall_now(),
        may_probe=not arguments.no_probe,
        on_step=show,
        outside=_outside(arguments, network),
        thorough=bool(arguments.verbose or arguments.json or arguments.json_lines or arguments.report),
        known=known,
    )
    async for finding in run_checks(question):
        yield finding


def _place(arguments: argparse.Namespace) -> tuple[Network, Sequence[Target] | None]:
    """Return this host's network, and where the chosen gateways are."""
    from portmapper.network.gateway_option import reachable_targets
    from portmapper.network.host import read_network

    network = read_network()
    return network, reachable_targets(arguments.gateway, network)


def _of_this_host(directory: Path) -> Iterator[Finding]:
    from portmapper.doctor.host import running_findings, state_directory_findings

    yield from state_directory_findings(directory)
    yield from running_findings([directory / "portmapper.pid"])


def _hook_findings(arguments: argparse.Namespace, plugins: Plugins) -> list[Finding]:
    from portmapper.api.findings import Finding
    from portmapper.cli.hooks import missing_programs
    from portmapper.cli.run_config import observers_of

    missing = missing_programs(observers_of(plugins, arguments.settings_file))
    advice = "install the program, or correct 'run' in the settings file"
    return [Finding.warning("hook-program-missing", problem, advice) for problem in missing]


def _outside(arguments: argparse.Namespace, network: Network) -> OutsideProbe | None:
    """Return the probe of the option, or else of the settings; None without a probe server."""
    from portmapper.cli.run_config import probe_of

    settings = probe_of(arguments.settings_file)
    if not arguments.probe and not settings.url:
        return None
    from portmapper.cli.status import known_mappings
    from portmapper.doctor.outside import OutsideProbe
    from portmapper.probe.exchange import ProbeServer
    from portmapper.probe.server_url import parse_url, read_authority, read_token

    names = ("", "") if arguments.probe else (settings.token_file, settings.ca_file)
    token_file, ca_file = (Path(name) if name else None for name in names)
    try:
        server = ProbeServer(
            parse_url(arguments.probe or settings.url),
            read_token(arguments.token_file or token_file),
            read_authority(arguments.ca_file or ca_file),
        )
    except ValueError as error:
        raise UsageError(f"--probe: {error}") from None
    return OutsideProbe(server, known_mappings(directory_of(arguments)), network)


async def _desired(
    arguments: argparse.Namespace,
    plugins: Plugins,
    network: Network,
    chosen: Sequence[Target] | None,
    leases: Sequence[StoredLease],
    comments: list[str],
) -> tuple[list[DesiredPort], list[Finding]]:
    """Return what should be open, and findings about its sources: from the daemon, else from the lists."""
    from portmapper.doctor.desired import desired_from_list

    sources = list(dict.fromkeys([*arguments.source, *arguments.file]))
    found = None if sources else _from_daemon(directory_of(arguments))
    if found is None:
        mappings, findings = await _read(arguments, plugins, sources)
        comments += [mapping.comment for mapping in mappings]
        found = desired_from_list(mappings, network, chosen, leases), findings
    return found


async def _read(
    arguments: argparse.Namespace, plugins: Plugins, sources: Sequence[str]
) -> tuple[list[DesiredMapping], list[Finding]]:
    """Read the given lists, or those of the settings file; an unreadable list becomes a finding."""
    from portmapper.doctor.host import source_findings

    readers, findings = _readers(arguments, plugins, sources)
    readings = [await reader.read() for reader in readers]
    for reader in readers:
        await reader.close()
    mappings = [mapping for reading in readings for mapping in reading.mappings]
    return mappings, [*findings, *source_findings(readings)]


def _readers(
    arguments: argparse.Namespace, plugins: Plugins, sources: Sequence[str]
) -> tuple[list[SourceReader], list[Finding]]:
    from portmapper.api.errors import PortmapperError
    from portmapper.cli.options import format_options
    from portmapper.cli.run_config import RunConfig, policy_of
    from portmapper.doctor.host import unreadable_finding
    from portmapper.sources.open_source import open_source

    settings = arguments.settings_file.settings
    if not sources and not settings.sources and not settings.source and not settings.mapping:
        return [], []
    if not sources:
        return list(RunConfig(arguments, plugins, with_observers=False).setup.readers), []
    options, policy = format_options(arguments, plugins), policy_of(arguments)
    readers, findings = [], []
    for location in sources:
        try:
            form = arguments.format
            readers.append(open_source(location, plugins.sources, plugins.formats, form, options, policy))
        except PortmapperError as error:
            findings.append(unreadable_finding(location, error))
    return readers, findings


def _from_daemon(directory: Path) -> tuple[list[DesiredPort], list[Finding]] | None:
    """Return the ports and source findings of the daemon that uses this state directory, None without one."""
    from portmapper.control.client import NotRunning, call_daemon
    from portmapper.doctor.desired import desired_from_daemon
    from portmapper.doctor.host import daemon_source_findings

    try:
        document: Mapping[str, Any] = call_daemon(directory, "status")
    except NotRunning:
        return None
    return desired_from_daemon(document), list(daemon_source_findings(document["sources"]))


def _document(finding: Finding) -> dict[str, str]:
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "summary": finding.summary,
        "advice": finding.advice,
        "port": finding.port,
    }


def _print(findings: Sequence[Finding], *, verbose: bool) -> None:
    from rich.console import Console
    from rich.text import Text

    from portmapper.cli.doctor_report import report

    console = Console(soft_wrap=not sys.stdout.isatty(), highlight=False)
    for severity, text in report(findings, verbose=verbose):
        mark, color = MARKS.get(severity, ("", ""))
        console.print(Text.assemble((f"{mark} " if mark else "", color), text))
