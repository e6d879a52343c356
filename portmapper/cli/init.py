"""`portmapper init`: query the gateway, then write a settings file that shows every key."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from portmapper.api.command import Command
from portmapper.api.errors import PortmapperError, UsageError
from portmapper.cli.options import add_gateway_options, add_log_options, add_plugin_option, configure_logging
from portmapper.cli.say import say

if TYPE_CHECKING:
    from portmapper.actions.discover import DiscoveryResult

TEMPLATE = """\
# Settings of portmapper. Each line that is commented out shows the default or an example.
# Options on the command line override this file. 'portmapper check' reports errors in it.
#
{found}
# Lists of ports to keep open: paths or URLs. Define single ports in [[mapping]] tables below.
# sources = ["ports.csv", "https://example.org/ports.json"]
# format = "auto"
# csv_delimiter = ";"

# interval = 60
# conflict = "keep"
# family = "ipv4"
# close_ports_on_exit = false
{gateway}
{places}
# disable_plugins = []

# A list with its own options. A list from a URL may overwrite mappings of other hosts ("take") and open
# ports to other hosts ("addresses") only if you trust it.
# [[source]]
# location = "https://example.org/games.csv"
# format = "csv"
# trust = []
# max_mappings = 16384
# headers_file = "/etc/portmapper/headers"
# ca_file = "/etc/ssl/certs/ca-certificates.crt"
# keep_share = 0.2

# A port to keep open. Repeat the table for each port.
# [[mapping]]
# port = 8080
# protocol = "tcp"
# comment = "web server"

# The backends to use, in this order. Backends that are not listed come last.
# [backend]
# order = ["pcp", "natpmp", "upnp"]
# forbidden = []

# [log]
# level = "info"
# format = "text"
# file = "/var/log/portmapper.log"

# The HTTP API and the web interface.
# [http]
# listen = "127.0.0.1:8080"
# hosts = ["ports.example.org"]
# certificate = "/etc/portmapper/fullchain.pem"
# key = "/etc/portmapper/privkey.pem"
# trusted_proxies = ["127.0.0.1"]

# Several daemons for one list: only the host that carries the address changes gateways.
# [guard]
# address = "192.168.1.50"
# lead_with = ""
#
# [cluster]
# secret_file = "/etc/portmapper/cluster-secret"

# Check from outside whether the open ports are reachable, with a probe server elsewhere.
# [probe]
# url = "http://198.51.100.7:9700"
# token_file = "/etc/portmapper/probe-token"
# ca_file = "/etc/portmapper/probe-ca.pem"
# interval = "15m"

# Which ports may be opened, for all lists: the first rule that matches decides.
# [[policy]]
# action = "allow"
# port = "1024-65535"
# internal_port = "1024-65535"
# protocol = "both"
# address = "192.168.0.0/16"
#
# [[policy]]
# action = "deny"

# A name for the ports of a program, for 'portmapper open my-game' and the column 'preset' of lists.
# [preset.my-game]
# ports = ["27100/udp"]
# title = "My game"

# Run a program or call a URL when something happens, and export metrics to Prometheus.
# [[hook]]
# on = ["opened", "external_port_changed"]
# run = ["/usr/local/bin/notify"]
#
# [[webhook]]
# on = "failed"
# url = "https://example.org/ports"
#
# [metrics]
# listen = "127.0.0.1:9464"
"""


class Init(Command):
    """The command `init`."""

    name = "init"
    help = "query the gateway and write a settings file"
    examples = ("portmapper init", "portmapper init ./portmapper.toml")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of `init`."""
        parser.add_argument(
            "file", nargs="?", type=Path, metavar="FILE", help="default: in your configuration directory"
        )
        parser.add_argument("--force", action="store_true", help="replace the file if it exists")
        add_gateway_options(parser)
        add_plugin_option(parser)
        add_log_options(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        """Query the gateways and write the file, even if no gateway answers."""
        from portmapper.config.paths import settings_paths

        configure_logging(arguments, "error")
        path: Path = (arguments.file or settings_paths()[0]).absolute()
        if path.exists() and not arguments.force:
            raise UsageError(f"{path} already exists; use --force to replace it")
        text = _text(_discover(arguments), arguments.gateway)
        _write(path, text)
        option = "" if path in settings_paths() else f" --config {shlex.quote(str(path))}"
        say(f"wrote {path}. Add your ports to it, then run: portmapper run{option}")
        return 0


def _discover(arguments: argparse.Namespace) -> DiscoveryResult:
    import asyncio

    from portmapper.actions.discover import discover_gateways
    from portmapper.cli.progress import progress
    from portmapper.cli.targets import targets_of
    from portmapper.network.host import read_network
    from portmapper.pluginhost.manager import load_plugins

    backends = [b() for b in load_plugins(arguments.disable_plugin).choose_backends(arguments.backend)]
    with progress("searching for gateways"):
        return asyncio.run(discover_gateways(backends, targets_of(arguments, read_network())))


def _text(found: DiscoveryResult, gateways: list[str]) -> str:
    import tomli_w

    chosen = tomli_w.dumps({"gateway": gateways}).strip() if gateways else '# gateway = ["192.168.1.1"]'
    heading = "".join(f"# {line}\n" for line in _gateway_lines(found))
    return TEMPLATE.format(found=heading, gateway=chosen, places=default_places())


def default_places() -> str:
    """Return the lines with the state directory and the pid file of this system and user."""
    import tomli_w

    from portmapper.config.paths import state_directory

    state = state_directory().as_posix()
    lines = tomli_w.dumps({"state_dir": state, "pid_file": f"{state}/portmapper.pid"}).splitlines()
    return "\n".join(f"# {line}" for line in lines)


def _gateway_lines(found: DiscoveryResult) -> list[str]:
    from portmapper.observability.status import gateway_document
    from portmapper.support.text import printable

    if not found.gateways:
        return ["No gateway answered when this file was written."]
    lines = ["Gateways that answered when this file was written, best first:"]
    for gateway, external in found.gateways:
        document = gateway_document(gateway, external)
        place = f"at {document['address']}"
        words = [document["backend"], document["protocol"], place, printable(gateway.model, 60)]
        lines.append("  " + " ".join(word for word in words if word))
        if document["detail"]:
            lines.append(f"    {document['detail']}")
    return lines


def _write(path: Path, text: str) -> None:
    """Write the file atomically and readable only by its owner: a user may add secrets to it."""
    new = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        new.replace(path)
    except OSError as error:
        raise PortmapperError(f"{path}: {error.strerror}") from None
