"""`portmapper open`: open single ports, through the daemon where one runs."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portmapper.api.command import Command
from portmapper.api.errors import UsageError, quoted
from portmapper.api.model import MAX_DURATION
from portmapper.cli.options import (
    add_config_option,
    add_gateway_options,
    add_log_options,
    add_plugin_option,
    add_state_option,
    begin_logging,
)
from portmapper.cli.targets import ask_daemon_if_any, directory_of, port_records

if TYPE_CHECKING:
    from portmapper.api.backend import Backend
    from portmapper.store.leases import Store

COMMENT = "portmapper"
ANY_GATEWAY = ("all", "default")


class Open(Command):
    """Open ports."""

    name = "open"
    help = "open single ports until they are closed"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "port",
            nargs="+",
            metavar="PORT/PROTO",
            help="such as 8080/tcp, 2722-2723/udp or 53/both",
        )
        parser.add_argument(
            "--to",
            metavar="ADDR[:PORT]",
            default="",
            help="the host that gets the packets, and on which port; ':PORT' is this host (default: this "
            "host, the same port)",
        )
        parser.add_argument(
            "--lifetime", type=_lifetime, default=3600, metavar="S", help="seconds to ask for (default 3600)"
        )
        parser.add_argument(
            "--family",
            choices=("ipv4", "ipv6", "both"),
            help="a mapping over IPv4 (the default, unless --to is an IPv6 address), a pinhole over IPv6, "
            "or both",
        )
        add_config_option(parser)
        add_gateway_options(parser)
        add_state_option(parser)
        add_plugin_option(parser)
        add_log_options(parser)
        parser.add_argument("--json", action="store_true", help="print the status document of these ports")

    def run(self, arguments: argparse.Namespace) -> int:
        """Exit status 0 when all are open, 1 when some are not, 3 when no gateway answered."""
        begin_logging(arguments, "warning")
        records = _records(arguments)
        directory = directory_of(arguments)
        document = ask_daemon_if_any(directory, "open", records)
        by_daemon = document is not None
        if by_daemon:
            _tell_what_is_not_heeded(arguments)
        else:
            document = _open_once(arguments, records, directory)
        if arguments.json:
            print(json.dumps(document, indent=2))
        else:
            _show(document, by_daemon)
        return _status(document)


def _records(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the records that the daemon is asked for, and check them here first."""
    from portmapper.sources.adhoc import read_records

    host, port = _inside(arguments.to)
    more: dict[str, Any] = {
        "address": host,
        "internal_port": port,
        "duration": arguments.lifetime,
        "comment": COMMENT,
    }
    if arguments.given.family or (arguments.family and host is None):
        more["family"] = arguments.family
    more["gateway"] = _gateway_of_mapping(arguments)
    if len(arguments.given.backend) == 1:
        more["backend"] = arguments.backend[0]
    records = [{**record, **more} for record in port_records(arguments.port)]
    read_records(records)
    return records


def _inside(text: str) -> tuple[str | None, str | None]:
    """Read `--to`: an address, an address and a port, or a port alone."""
    import ipaddress

    host, colon, port = text.rpartition(":") if text.count(":") == 1 or "]:" in text else (text, "", "")
    if colon and not port:
        raise UsageError(f"--to {quoted(text)}: no port behind the colon")
    try:
        return (str(ipaddress.ip_address(host.strip("[]"))) if host else None), port or None
    except ValueError:
        raise UsageError(f"--to {quoted(text)}: neither ADDRESS, ADDRESS:PORT nor :PORT") from None


def _gateway_of_mapping(arguments: argparse.Namespace) -> str | None:
    """Return the gateway that the mappings themselves name: `all`, `default` or one address."""
    from portmapper.api.errors import RowError
    from portmapper.sources.address_syntax import parse_gateway

    named = arguments.given.gateway
    if len(named) != 1 or (named[0] not in ANY_GATEWAY and (arguments.family or arguments.to)):
        return None
    try:
        parse_gateway(named[0])
    except RowError:  # with a port, or a URL: without a daemon it is asked all the same
        return None
    return str(named[0])


def _tell_what_is_not_heeded(arguments: argparse.Namespace) -> None:
    not_told = arguments.given.gateway and _gateway_of_mapping(arguments) is None
    if not_told or len(arguments.given.backend) > 1:
        print("portmapper: a daemon runs, and asks the gateways that it was started for", file=sys.stderr)


def _open_once(arguments: argparse.Namespace, records: list[dict[str, Any]], directory: Path) -> Any:
    import asyncio

    from portmapper.actions.open import open_without_daemon
    from portmapper.cli.run_config import observers_of, policy_of
    from portmapper.daemon.pidfile import PidFile
    from portmapper.pluginhost.faults import made
    from portmapper.pluginhost.manager import load_plugins
    from portmapper.scheduler.options import Options
    from portmapper.sources.adhoc import check_policy, read_records
    from portmapper.store.leases import FILE_NAME, Store

    plugins = load_plugins(arguments.disable_plugin)
    mappings = read_records(records)
    check_policy(mappings, policy_of(arguments))
    observers = observers_of(plugins, arguments.settings_file)
    backends: list[Backend] = made("backend", plugins.choose_backends(arguments.backend))
    chosen = tuple(gateway for gateway in arguments.gateway if gateway not in ANY_GATEWAY)
    options = Options(chosen=chosen, scope=frozenset(), watch=False)
    pid_file = PidFile(directory / "portmapper.pid")
    try:
        pid_file.write()
        store: Store = Store(directory / FILE_NAME)
        try:
            return asyncio.run(open_without_daemon(backends, store, mappings, options, observers))
        finally:
            store.close()
    finally:
        pid_file.remove()


def _show(document: dict[str, Any], by_daemon: bool) -> None:
    from portmapper.support.text import endpoint, printable

    for mapping in document["mappings"]:
        inside = endpoint(mapping["internal_address"], mapping["internal_port"])
        if mapping["state"] == "active":
            outside = endpoint(mapping["external_address"], mapping["external_port"])
            end = _end(mapping, by_daemon)
            print(f"{mapping['protocol']} {outside} -> {inside} is open by {mapping['backend']}, {end}")
        else:
            why = printable(mapping["error"] or "no gateway answered")
            port = mapping["wanted_external_port"] or "any"
            print(f"{mapping['protocol']} {port} -> {inside} is not open: {why}", file=sys.stderr)
    if by_daemon and any(mapping["state"] != "active" for mapping in document["mappings"]):
        print("portmapper: the daemon goes on trying until 'portmapper close'", file=sys.stderr)


def _end(mapping: dict[str, Any], by_daemon: bool) -> str:
    if by_daemon:
        return "kept by the daemon until 'portmapper close'"
    return "until 'portmapper close'" if mapping["permanent"] else f"for {mapping['lifetime']} s"


def _status(document: dict[str, Any]) -> int:
    states = [mapping["state"] for mapping in document["mappings"]]
    if not document["gateways"] and "pending" in states:
        print("portmapper: no gateway answered", file=sys.stderr)
        return 3
    return 0 if all(state == "active" for state in states) else 1


def _lifetime(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= MAX_DURATION):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, 0 to {MAX_DURATION}")
    return int(text)
