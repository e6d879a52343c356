"""`portmapper discover`: show every gateway that answers, with each of its protocols, best first."""

from __future__ import annotations

import argparse
import json
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
from portmapper.cli.targets import directory_of, opened_store

if TYPE_CHECKING:
    from portmapper.actions.discover import DiscoveryResult
    from portmapper.api.backend import Backend, Gateway, Target
    from portmapper.api.connection import Connection
    from portmapper.api.model import IPAddress


class Discover(Command):
    """The command `discover`."""

    name = "discover"
    help = "show the gateways that answer"
    examples = ("portmapper discover", "portmapper discover -v")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of `discover`."""
        add_config_option(parser)
        add_gateway_options(parser)
        add_state_option(parser)
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
        directory, details = directory_of(arguments), arguments.verbose or arguments.json
        step = _step(backends, targets, is_search=chosen is None)
        with progress(step), opened_store(directory, or_empty=True) as store:
            found = asyncio.run(discover_gateways(backends, targets, details=details, known=store.gateways))
        if arguments.json:
            print(json.dumps({"gateways": _documents(found)}, indent=2))
        else:
            _show(found, arguments.verbose)
        if not found.gateways:
            from portmapper.api.errors import NoGateway

            raise NoGateway(_reason(found, targets))
        return 0


def _documents(found: DiscoveryResult) -> list[dict[str, Any]]:
    from portmapper.observability.status import gateway_document

    return [
        {
            **gateway_document(gateway, external),
            "location": gateway.location,
            "connection": _connection_document(found.connections.get(gateway.identity)),
        }
        for gateway, external in found.gateways
    ]


def _connection_document(connection: Connection | None) -> dict[str, Any] | None:
    import attrs

    return None if connection is None else attrs.asdict(connection)


def _reason(found: DiscoveryResult, targets: Sequence[Target]) -> str:
    if not targets:
        return "no gateway: this host has no network that could lead to one"
    from portmapper.support.wording import reasons_text

    reasons = reasons_text(found.failures)
    because = f" ({reasons})" if reasons else ""
    return f"no gateway answered{because}; run 'portmapper doctor' to find out why"


def _step(backends: Sequence[Backend], targets: Sequence[Target], *, is_search: bool) -> str:
    from portmapper.cli.wording import protocol_name
    from portmapper.support.text import plural

    protocols = ", ".join(protocol_name(backend.name) for backend in backends)
    if not is_search:
        return f"asking {plural(len(targets), 'gateway')} with {protocols}"
    return f"searching with {protocols} on {plural(len(targets), 'interface')}"


def _show(found: DiscoveryResult, verbose: bool) -> None:
    from portmapper.cli.printed_table import print_table

    if not found.gateways:
        return
    cells = [_cells(gateway, external) for gateway, external in found.gateways]
    more = enumerate(_details(gateway, found) for gateway, _ in found.gateways) if verbose else ()
    print_table(cells, dict(more))


def _cells(gateway: Gateway, external: IPAddress | None) -> dict[str, str]:
    return {
        "Protocol": gateway.protocol,
        "Gateway": str(gateway.address),
        "External address": _external_address(gateway, external),
        "Answer": f"{gateway.latency * 1000:.0f} ms",
    }


def _external_address(gateway: Gateway, external: IPAddress | None) -> str:
    from portmapper.api.external import external_kind
    from portmapper.cli.wording import external_text, protocol_name

    if gateway.local_address.version == 6:
        return "this host's own (IPv6 is not translated)"
    if external is not None:
        return external_text(str(external), external_kind(external).value)
    if gateway.address_by_grant:
        return f"not told by {protocol_name(gateway.backend)}"
    return "none: the gateway is not connected"


def _details(gateway: Gateway, found: DiscoveryResult) -> list[str]:
    """Return what `-v` adds: the router's model, what the protocol can do, and the connection."""
    from portmapper.api.backend import ListsMappings, MapsOtherHosts
    from portmapper.support.text import printable

    abilities = {"list mappings": ListsMappings, "map other hosts": MapsOtherHosts}
    can = ", ".join(words for words, ability in abilities.items() if isinstance(gateway, ability))
    details = {
        "backend": gateway.backend,
        "model": gateway.model,
        "can": can,
        "description": gateway.location,
        **_connection_details(found.connections.get(gateway.identity)),
    }
    return [f"{name}: {printable(text)}" for name, text in details.items() if text]


def _connection_details(connection: Connection | None) -> dict[str, str]:
    """Return the connection to the internet as `upnpc -s` shows it, in our words."""
    if connection is None:
        return {}
    from portmapper.support.duration import format_duration

    up, down = connection.upstream / 1e6, connection.downstream / 1e6
    rates = f"{down:g} Mbit/s down, {up:g} Mbit/s up" if up and down else ""
    since = "" if connection.uptime is None else f" for {format_duration(connection.uptime)}"
    kind = f" ({connection.kind})" if connection.kind else ""
    return {
        "connection": f"{connection.status}{since}{kind}" if connection.status else connection.kind,
        "last error": connection.last_error,
        "line": rates,
        "router's page": connection.page,
    }
