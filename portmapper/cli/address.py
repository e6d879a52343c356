"""`portmapper address`: print the external address, and nothing else, for scripts."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from portmapper.api.command import Command
from portmapper.api.errors import PortmapperError
from portmapper.cli.options import (
    add_config_option,
    add_gateway_options,
    add_log_options,
    add_plugin_option,
    configure_logging,
)

if TYPE_CHECKING:
    from portmapper.api.backend import Backend
    from portmapper.api.model import IPAddress


class Address(Command):
    """The command `address`."""

    name = "address"
    help = "print only the external address"
    examples = ("portmapper address", "portmapper address -6")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of `address`."""
        family = parser.add_mutually_exclusive_group()
        family.add_argument(
            "-4",
            dest="version",
            action="store_const",
            const=4,
            default=4,
            help="the gateway's external IPv4 address (the default)",
        )
        family.add_argument(
            "-6",
            dest="version",
            action="store_const",
            const=6,
            help="this host's own IPv6 address, as the internet sees it",
        )
        add_config_option(parser)
        add_gateway_options(parser)
        add_plugin_option(parser)
        add_log_options(parser)
        parser.add_argument("--json", action="store_true", help="print the answer as JSON")

    def run(self, arguments: argparse.Namespace) -> int:
        """Print the address; the exit status is 3 if no gateway answers, 1 if none knows its address."""
        from portmapper.api.external import external_kind

        configure_logging(arguments, "error")
        address = _own_ipv6() if arguments.version == 6 else _external_ipv4(arguments)
        document = {"address": str(address), "kind": external_kind(address).value}
        print(json.dumps(document) if arguments.json else address)
        return 0


def _own_ipv6() -> IPAddress:
    from portmapper.actions.external_address import own_ipv6
    from portmapper.network.host import read_network

    return own_ipv6(read_network())


def _external_ipv4(arguments: argparse.Namespace) -> IPAddress:
    import asyncio

    from portmapper.actions.external_address import external_ipv4
    from portmapper.cli.progress import progress
    from portmapper.cli.targets import targets_of
    from portmapper.network.host import read_network
    from portmapper.pluginhost.faults import instantiate
    from portmapper.pluginhost.manager import load_plugins

    plugins = load_plugins(arguments.disable_plugin)
    backends: list[Backend] = instantiate("backend", plugins.choose_backends(arguments.backend))
    targets = targets_of(arguments, read_network())
    with progress("asking the gateway for its external address"):
        address = asyncio.run(external_ipv4(backends, targets))
    if address is None:
        raise PortmapperError("the gateway reports no external address; is it connected to the internet?")
    return address
