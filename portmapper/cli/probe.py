"""`portmapper probe`: run a probe server, or ask one whether ports are reachable from outside."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portmapper.api.command import Command
from portmapper.api.errors import UsageError
from portmapper.cli.options import add_config_option, add_state_option
from portmapper.cli.say import say

if TYPE_CHECKING:
    from portmapper.api.model import IPAddress
    from portmapper.probe.check import Outcome
    from portmapper.probe.evidence import OpenPort
    from portmapper.support.tls_server import Certificate


class Probe(Command):
    """The command `probe`."""

    name = "probe"
    help = "check whether ports are reachable from outside"
    examples = (
        "portmapper probe serve --listen 0.0.0.0:9700",
        "portmapper probe check http://198.51.100.7:9700 8080/tcp 27015/udp",
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of `probe`."""
        parser.add_argument(
            "action",
            choices=("serve", "check"),
            help="serve: run a probe server; check: ask one to connect to this network",
        )
        parser.add_argument("url", nargs="?", metavar="URL", help="with check: the probe server's URL")
        parser.add_argument(
            "port",
            nargs="*",
            metavar="PORT/PROTO",
            help="with check: external ports, such as 8080/tcp or 2722-2723/udp",
        )
        _add_connection(parser)
        parser.add_argument(
            "--json",
            action="store_true",
            help="print JSON: with serve one line with the address when ready, with check the results",
        )
        add_config_option(parser)
        add_state_option(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        """Serve until a signal, or check and return 0 if every port is reachable."""
        return _serve(arguments) if arguments.action == "serve" else _check(arguments)


def _add_connection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--listen",
        metavar="ADDRESS:PORT",
        help="with serve: where to listen over TCP and UDP; 0.0.0.0 is every IPv4 address, [::] is every "
        "address",
    )
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="a file with a secret that clients need"
    )
    parser.add_argument(
        "--certificate",
        type=Path,
        metavar="FILE",
        help="with serve: the certificate for HTTPS, in PEM",
    )
    parser.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help="with serve: the certificate's key; default: in the certificate's file",
    )
    parser.add_argument(
        "--ca-file",
        type=Path,
        metavar="FILE",
        help="with check: the certificate of the server, or of the authority that signed it",
    )


def _serve(arguments: argparse.Namespace) -> int:
    import logging

    from portmapper.observability.logs import default_handler, start_logging
    from portmapper.probe.server_url import read_token
    from portmapper.probe_server.server import serve
    from portmapper.support.text import endpoint
    from portmapper.support.windows_loop import run

    if arguments.url is not None:
        raise UsageError("serve takes no URL; use 'portmapper probe serve --listen ADDRESS:PORT'")
    if arguments.ca_file:
        raise UsageError("--ca-file is for 'probe check'; serve needs --certificate and --key")
    address, port = _listen_address(arguments.listen)
    token, certificate = read_token(arguments.token_file), _certificate(arguments)
    start_logging(default_handler(False), logging.INFO, "text")

    def ready(chosen: int) -> None:
        url = f"{'https' if certificate else 'http'}://{endpoint(address, chosen)}"
        where = {"url": url, "address": str(address), "port": chosen}
        text = f"Probe server at {url}, over TCP and UDP. Press Ctrl-C to stop."
        print(json.dumps(where) if arguments.json else text, flush=True)

    run(serve(address, port, token, ready, certificate))
    return 0


def _certificate(arguments: argparse.Namespace) -> Certificate | None:
    from portmapper.support.tls_server import Certificate

    if arguments.certificate is None:
        if arguments.key is not None:
            raise UsageError("--key needs --certificate")
        return None
    try:
        return Certificate(arguments.certificate, arguments.key or arguments.certificate)
    except OSError as error:
        raise UsageError(f"cannot serve HTTPS: {error}") from None


def _listen_address(text: str | None) -> tuple[IPAddress, int]:
    import ipaddress

    host, _, port = (text or "").rpartition(":")
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        address = None
    if address is None or not (port.isascii() and port.isdigit() and int(port[:6]) <= 65535):
        raise UsageError("serve needs --listen ADDRESS:PORT, such as --listen 0.0.0.0:9700")
    return address, int(port)


def _check(arguments: argparse.Namespace) -> int:
    from portmapper.cli.progress import progress
    from portmapper.cli.status import known_mappings
    from portmapper.cli.targets import directory_of, ports_of
    from portmapper.network.host import read_network
    from portmapper.probe.check import check_ports
    from portmapper.probe.exchange import ProbeServer
    from portmapper.probe.ports import find_ports
    from portmapper.probe.server_url import parse_url, read_authority, read_token
    from portmapper.support.windows_loop import run

    served = (arguments.listen, arguments.certificate, arguments.key)
    if arguments.url is None or not arguments.port or any(served):
        raise UsageError(
            "'probe check' needs the URL of a probe server and ports; for example: " + Probe.examples[1]
        )
    wanted = ports_of(arguments.port)
    if len(wanted) > MAX_CHECKED:
        raise UsageError(f"{len(wanted)} ports are too many for one check; check at most {MAX_CHECKED}")
    try:
        url, token = parse_url(arguments.url), read_token(arguments.token_file)
        server = ProbeServer(url, token, read_authority(arguments.ca_file))
    except ValueError as error:
        raise UsageError(str(error)) from None
    ports = find_ports(wanted, known_mappings(directory_of(arguments)), read_network().is_ours)
    with progress("checking from outside"):
        outcomes = run(check_ports(server, ports))
    _print(outcomes, as_json=arguments.json)
    return 0 if all(verdict.state == "yes" for _, verdict in outcomes) else 1


MAX_CHECKED = 64
"""Ports in one command; a probe server allows little more."""


def _print(outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    from portmapper.probe.text import outcome_text

    if as_json:
        print(json.dumps({"mappings": [_document(*outcome) for outcome in outcomes]}, indent=2))
        return
    for port, verdict in outcomes:
        say(f"{port.name} {outcome_text(port, verdict)}")


def _document(port: OpenPort, verdict: Any) -> dict[str, Any]:
    return {
        "port": port.port,
        "protocol": port.protocol.value,
        "state": verdict.state.value,
        "seen_from": str(verdict.seen_from) if verdict.seen_from else None,
        "reason": verdict.reason,
    }
