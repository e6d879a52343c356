"""`portmapper init`: write a settings file with every key, after asking the gateway what it can do."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from portmapper.api.command import Command
from portmapper.api.errors import PortmapperError, UsageError
from portmapper.cli.options import add_gateway_options, add_log_options, add_plugin_option, begin_logging

if TYPE_CHECKING:
    from portmapper.actions.discover import Discovered

TEMPLATE = """\
# Settings of portmapper. Everything that is commented out shows its default, or an example.
# What is given on the command line wins. 'portmapper check' tells what is wrong here.
#
{found}
# Lists of ports to keep open: paths, and URLs. Single ports have tables of their own, below.
# sources = ["ports.csv", "https://example.org/ports.json"]
# format = "auto"
# csv_delimiter = ";"

# interval = 60
# conflict = "own"
# family = "ipv4"
# close_ports_on_exit = false
{gateway}
# state_dir = "/var/lib/portmapper"
# pid_file = "/var/lib/portmapper/portmapper.pid"
# disable_plugins = []

# A port to keep open; one such table for each.
# [[mapping]]
# port = 8080
# protocol = "tcp"
# comment = "web server"

# Which protocols, and in which order; the others follow.
# [backend]
# order = ["pcp", "natpmp", "upnp"]
# forbidden = []

# [log]
# level = "info"
# format = "text"
# file = "/var/log/portmapper.log"

# What may be opened at all, whoever lists it: the first rule that matches decides.
# [[policy]]
# action = "allow"
# port = "1024-65535"
# internal_port = "1024-65535"
# protocol = "both"
# address = "192.168.0.0/16"
#
# [[policy]]
# action = "deny"

# A program to run, or a URL to call, when something happens; and numbers for Prometheus.
# [[hook]]
# on = ["opened", "external_port_changed"]
# run = ["/usr/local/bin/tell"]
#
# [[webhook]]
# on = "failed"
# url = "https://example.org/ports"
#
# [metrics]
# listen = "127.0.0.1:9464"
"""


class Init(Command):
    """Write a settings file."""

    name = "init"
    help = "write a settings file, after asking the gateway what it can do"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "file", nargs="?", type=Path, metavar="FILE", help="default: in your configuration directory"
        )
        parser.add_argument("--force", action="store_true", help="replace the file if it is there")
        add_gateway_options(parser)
        add_plugin_option(parser)
        add_log_options(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        """Ask, write, say where; a gateway that does not answer is written down as such."""
        from portmapper.config.paths import settings_places

        begin_logging(arguments, "error")
        path: Path = (arguments.file or settings_places()[0]).absolute()
        if path.exists() and not arguments.force:
            raise UsageError(f"{path} is there already; --force replaces it")
        text = _text(_ask(arguments), arguments.gateway)
        _write(path, text)
        print(f"{path} is written. Put your ports there, then: portmapper run")
        return 0


def _ask(arguments: argparse.Namespace) -> Discovered:
    import asyncio

    from portmapper.actions.discover import survey
    from portmapper.cli.targets import targets_of
    from portmapper.network.host import read_network
    from portmapper.pluginhost.manager import load_plugins

    backends = [b() for b in load_plugins(arguments.disable_plugin).choose_backends(arguments.backend)]
    return asyncio.run(survey(backends, targets_of(arguments, read_network())))


def _text(found: Discovered, gateways: list[str]) -> str:
    import tomli_w

    chosen = tomli_w.dumps({"gateway": gateways}).strip() if gateways else '# gateway = ["192.168.1.1"]'
    return TEMPLATE.format(found="".join(f"# {line}\n" for line in _facts(found)), gateway=chosen)


def _facts(found: Discovered) -> list[str]:
    from portmapper.observability.status import gateway_document
    from portmapper.support.text import printable

    if not found.gateways:
        return ["No gateway answered when this was written."]
    lines = ["Gateways that answered when this was written, best first:"]
    for gateway, outside in found.gateways:
        facts = gateway_document(gateway, outside)
        words = [facts["backend"], facts["protocol"], f"at {facts['address']}", printable(gateway.model, 60)]
        lines.append("  " + " ".join(word for word in words if word))
        if facts["detail"]:
            lines.append(f"    {facts['detail']}")
    return lines


def _write(path: Path, text: str) -> None:
    """Write it whole or not at all, for the owner alone: a secret may come to stand there."""
    new = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        new.replace(path)
    except OSError as error:
        raise PortmapperError(f"{path}: {error.strerror}") from None
