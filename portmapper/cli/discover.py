"""`portmapper discover`: show every gateway that answers, with each of its protocols, best first."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from portmapper.api.command import Command
from portmapper.cli.options import (
    add_config_option,
    add_gateway_options,
    add_log_options,
    add_plugin_option,
    configure_logging,
)

if TYPE_CHECKING:
    from portmapper.actions.discover import DiscoveryResult
    from portmapper.api.backend import Backend, Target


class Discover(Command):
    """The command `discover`."""

    name = "discover"
    help = "show the gateways that answer"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of `discover`."""
        add_config_option(parser)
        add_gateway_options(parser)
        add_plugin_option(parser)
        add_log_options(parser)
        parser.add_argument("--json", action="store_true", help="print the answer as JSON")

    def run(self, arguments: argparse.Namespace) -> int:
        """Search and print what answered; the exit status is 3 if no gateway answers."""
        import asyncio

        from portmapper.actions.discover import discover_gateways
        from portmapper.network.gateway_option import reachable_targets
        from portmapper.network.host import read_network
        from portmapper.network.placement import search_targets
        from portmapper.pluginhost.faults import instantiate
        from portmapper.pluginhost.manager import load_plugins

        configure_logging(arguments, "warning")
        plugins = load_plugins(arguments.disable_plugin)
        backends = instantiate("backend", plugins.choose_backends(arguments.backend))
        network = read_network()
        chosen = reachable_targets(arguments.gateway, network)
        targets = search_targets(network) if chosen is None else chosen
        with _progress(arguments.json, backends, targets):
            found = asyncio.run(discover_gateways(backends, targets))
        if arguments.json:
            print(json.dumps({"gateways": _documents(found)}, indent=2))
        else:
            _show(found)
        if not found.gateways:
            from portmapper.api.errors import NoGateway

            raise NoGateway(_reason(found, targets))
        return 0


def _documents(found: DiscoveryResult) -> list[dict[str, Any]]:
    from portmapper.observability.status import gateway_document

    return [
        {**gateway_document(gateway, external), "model": gateway.model, "location": gateway.location}
        for gateway, external in found.gateways
    ]


def _reason(found: DiscoveryResult, targets: Sequence[Target]) -> str:
    if not targets:
        return "no gateway: this host has no network that could lead to one"
    reasons = "; ".join(f"{name}: {error}" for name, error in found.failures.items())
    return f"no gateway answered ({reasons})" if reasons else "no gateway answered"


def _progress(quiet: bool, backends: Sequence[Backend], targets: Sequence[Target]) -> Any:
    if quiet or not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    from portmapper.support.text import plural

    protocols = ", ".join(backend.name for backend in backends)
    interfaces = plural(len(targets), "interface")
    return Console(stderr=True).status(f"searching with {protocols} on {interfaces}")


def _show(found: DiscoveryResult) -> None:
    if not found.gateways:
        return
    from rich.console import Console
    from rich.table import Table

    from portmapper.api.backend import ListsMappings, MapsOtherHosts
    from portmapper.observability.status import gateway_document
    from portmapper.support.text import printable

    table = Table(
        "Backend", "Protocol", "Gateway", "External", "Answer", "Can", "Model", box=None, pad_edge=False
    )
    for gateway, external in found.gateways:
        document = gateway_document(gateway, external)
        abilities = {"list": ListsMappings, "other hosts": MapsOtherHosts}
        table.add_row(
            gateway.backend,
            gateway.protocol,
            str(gateway.address),
            _external_address(document),
            f"{gateway.latency * 1000:.0f} ms",
            ", ".join(word for word, ability in abilities.items() if isinstance(gateway, ability)) or "-",
            printable(gateway.model, 60) or "-",
        )
    Console(markup=False, highlight=False).print(table)


def _external_address(document: dict[str, Any]) -> str:
    if document["external_address"] is None:
        return "-"
    kind = document["external_kind"]
    return str(document["external_address"]) + ("" if kind == "public" else f" ({kind})")
