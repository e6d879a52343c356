"""`portmapper check`: read the sources and report every mapping and every rejected row; change nothing."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from portmapper.api.command import Command
from portmapper.api.model import ALL_GATEWAYS, remote_text
from portmapper.cli.options import (
    add_config_option,
    add_log_options,
    add_plugin_option,
    add_source_options,
    configure_logging,
)
from portmapper.cli.say import say

if TYPE_CHECKING:
    from portmapper.api.model import Mapping
    from portmapper.api.reading import Reading, Rejected

REJECTED = 2


class Check(Command):
    """The command `check`."""

    name = "check"
    help = "read the sources and report errors, without contacting a gateway"
    examples = ("portmapper check ports.csv",)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of `check`."""
        add_source_options(parser)
        add_config_option(parser)
        add_plugin_option(parser)
        add_log_options(parser)
        parser.add_argument("--json", action="store_true", help="print the answer as JSON")

    def run(self, arguments: argparse.Namespace) -> int:
        """Read each source one time; return 2 if a row is rejected."""
        import asyncio

        from portmapper.cli.hooks import missing_programs
        from portmapper.cli.run_config import RunConfig
        from portmapper.pluginhost.manager import load_plugins
        from portmapper.sources.reader import read_first
        from portmapper.support.text import printable

        configure_logging(arguments, "error")
        plugins = load_plugins(arguments.disable_plugin)
        setup = RunConfig(arguments, plugins).setup
        missing = missing_programs(setup.observers)
        readings = asyncio.run(read_first(setup.readers))
        if arguments.json:
            print(json.dumps({**_document(readings), "hooks": missing}, indent=2))
        else:
            _show(readings)
            for problem in missing:
                say(f"warning: {printable(problem)}")
        return REJECTED if any(reading.rejected for reading in readings) else 0


def _document(readings: Sequence[Reading]) -> dict[str, Any]:
    return {
        "mappings": [_mapping(mapping) for reading in readings for mapping in reading.mappings],
        "rejected": [_problem(reading.location, bad) for reading in readings for bad in reading.rejected],
        "warnings": [
            _problem(reading.location, warning) for reading in readings for warning in reading.warnings
        ],
    }


def _problem(location: str, problem: Rejected) -> dict[str, Any]:
    return {"source": location, **problem.document}


def _mapping(mapping: Mapping) -> dict[str, Any]:
    return {
        "protocol": mapping.protocol.value,
        "port": mapping.port,
        "internal_port": mapping.internal_port,
        "address": mapping.written_address,
        "duration": mapping.duration,
        "lifetime": mapping.duration,
        "comment": mapping.comment,
        "family": mapping.family.value,
        "gateway": mapping.gateway,
        "remote": remote_text(mapping.remote) or None,
        "when": "listening" if mapping.when_listening else "always",
        "until": mapping.until.isoformat() if mapping.until else None,
        "schedule": mapping.schedule,
        "source": mapping.source,
        "where": mapping.where,
    }


def _show(readings: Sequence[Reading]) -> None:
    from portmapper.cli.columns import wrapped
    from portmapper.cli.tables import line_width
    from portmapper.cli.wording import port_text
    from portmapper.support.text import endpoint, plural, printable

    width = line_width()
    for reading in readings:
        count = plural(len(reading.mappings), "mapping")
        say(f"{printable(reading.location)}: {reading.format}, {count}")
        for mapping in reading.mappings:
            this_host = "this host over IPv6" if mapping.family == "ipv6" else "this host"
            to = endpoint(mapping.address or this_host, mapping.internal_port)
            comment = f"  {printable(mapping.comment)}" if mapping.comment else ""
            at = f" at {mapping.gateway}" if mapping.gateway else ""
            at = " at all gateways" if mapping.gateway == ALL_GATEWAYS else at
            hosts = f" from {remote_text(mapping.remote)} only" if mapping.remote else ""
            say(f"  {port_text(mapping.port, mapping.protocol)} → {to}{at}{hosts}{comment}")
        for kind, problems in (("warning", reading.warnings), ("rejected", reading.rejected)):
            for problem in problems:
                text = f"{kind}: {printable(problem.place)}: {printable(problem.reason)}"
                print("\n".join(wrapped(text, width)))
