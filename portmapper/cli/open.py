"""`portmapper open`: open single ports, through the daemon if one is running."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portmapper.api.command import Command
from portmapper.api.errors import UsageError, quoted
from portmapper.api.model import MAX_DURATION
from portmapper.cli.open_result import exit_status, show
from portmapper.cli.options import (
    CONFLICTS,
    add_config_option,
    add_gateway_options,
    add_log_options,
    add_plugin_option,
    add_state_option,
    configure_logging,
    conflict_name,
)
from portmapper.cli.port_arguments import FORM, port_records
from portmapper.cli.progress import progress
from portmapper.cli.say import say
from portmapper.cli.targets import call_daemon, directory_of
from portmapper.support.plugin_state import STATE
from portmapper.support.wall_clock import wall_now

if TYPE_CHECKING:
    from collections.abc import Iterator

    from portmapper.api.backend import Backend
    from portmapper.api.quirks import Quirk
    from portmapper.store.leases import Store

COMMENT = "portmapper"
ANY_GATEWAY = ("all", "default")


class Open(Command):
    """The command `open`."""

    name = "open"
    help = "open single ports until they are closed"
    examples = (
        "portmapper open 8080",
        "portmapper open 8080:80 27015/udp --lifetime 1h",
        "portmapper open 8080 --for 2h",
        "portmapper open minecraft",
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of `open`."""
        parser.add_argument(
            "port",
            nargs="+",
            metavar=FORM,
            help="an external port, and an internal port if it differs: 8080, 8080:80, 2722-2723/udp or "
            "53/both; or the name of a preset, such as minecraft (default protocol: tcp)",
        )
        parser.add_argument(
            "--to",
            metavar="ADDR[:PORT]",
            default="",
            help="the host and port to forward to; ':PORT' means this host (default: this host, the same "
            "port)",
        )
        _add_times(parser)
        _add_conditions(parser)
        add_config_option(parser)
        add_gateway_options(parser)
        add_state_option(parser)
        add_plugin_option(parser)
        add_log_options(parser)
        parser.add_argument("--json", action="store_true", help="print the status document of these ports")

    def run(self, arguments: argparse.Namespace) -> int:
        """Open the ports; return 0 if all are open, 1 if some are not, 3 if no gateway answers."""
        # The result names each reason, so the log would only repeat it.
        configure_logging(arguments, "error")
        records = _records(arguments)
        directory = STATE.directory = directory_of(arguments)
        with progress("opening the ports"):
            document = call_daemon(directory, "open", records)
            by_daemon = document is not None
            if not by_daemon:
                document = _open_without_daemon(arguments, records, directory)
        if by_daemon:
            _warn_about_ignored_options(arguments)
        if arguments.json:
            print(json.dumps(document, indent=2))
        else:
            show(document, by_daemon)
        return exit_status(document)


def _add_times(parser: argparse.ArgumentParser) -> None:
    """Add how long, and while what, the ports are open."""
    parser.add_argument(
        "--lifetime",
        type=_lifetime,
        default=3600,
        metavar="TIME",
        help="requested lifetime: seconds, or 90s, 15m, 1h, 7d (default 1h)",
    )
    parser.add_argument(
        "--for",
        dest="limit",
        type=_lifetime,
        metavar="TIME",
        help="close the port after this time: seconds, or 90s, 15m, 2h, 7d",
    )
    parser.add_argument(
        "--when",
        choices=("listening", "always"),
        help="listening: open the port only while a program of this host listens on it; needs a daemon",
    )


def _add_conditions(parser: argparse.ArgumentParser) -> None:
    """Add what the gateway is told of the ports."""
    parser.add_argument(
        "--comment", metavar="TEXT", help="description in the gateway's table (default: portmapper)"
    )
    parser.add_argument(
        "--conflict",
        type=conflict_name,
        choices=CONFLICTS,
        help="what to do if another host holds the port, as for 'portmapper run'",
    )
    parser.add_argument(
        "--family",
        choices=("ipv4", "ipv6", "both"),
        help="a mapping over IPv4 (the default, unless --to is an IPv6 address), a pinhole over IPv6, "
        "or both",
    )
    parser.add_argument(
        "--remote",
        metavar="ADDR[/BITS]",
        help="the only hosts that may connect: an address or a network (default: every host)",
    )


def _records(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the records to send to the daemon; check them here first."""
    from portmapper.sources.adhoc import parse_records

    host, port = _internal_endpoint(arguments.to)
    common: dict[str, Any] = {
        "address": host,
        "duration": arguments.lifetime,
        "conflict": arguments.conflict,
        "remote": arguments.remote,
    }
    if arguments.given.family or (arguments.family and host is None):
        common["family"] = arguments.family
    if arguments.limit is not None:
        if not arguments.limit:
            raise UsageError("--for 0: the port would close at once. Write a time such as 15m or 2h.")
        common |= _limits(arguments)
    common["when"] = arguments.when
    common["gateway"] = _gateway_of_mapping(arguments)
    if len(arguments.given.backend) == 1:
        common["backend"] = arguments.backend[0]
    records = [{"comment": COMMENT, **record, **common} for record in port_records(arguments.port)]
    for record in records:
        if port is not None and record.setdefault("internal_port", port) != port:
            raise UsageError(f"--to {quoted(arguments.to)}: {record['port']} already has an internal port")
        if record["port"] == "any" and "internal_port" not in record:
            raise UsageError(
                "'any' needs the port on which your program listens; for example: portmapper open any:8080"
            )
        if arguments.comment is not None:
            record["comment"] = arguments.comment
    parse_records(records)
    return records


def _limits(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the end of `--for`, and a lifetime that is not longer."""
    from datetime import timedelta

    end = wall_now().replace(microsecond=0) + timedelta(seconds=arguments.limit)
    lifetime = min(arguments.lifetime or arguments.limit, arguments.limit)
    return {"until": end.isoformat(), "duration": lifetime}


def _internal_endpoint(text: str) -> tuple[str | None, str | None]:
    """Parse `--to`: an address, an address and a port, or only a port."""
    import ipaddress

    host, colon, port = text.rpartition(":") if text.count(":") == 1 or "]:" in text else (text, "", "")
    if colon and not port:
        raise UsageError(f"--to {quoted(text)}: the port after the colon is missing")
    try:
        return (str(ipaddress.ip_address(host.strip("[]"))) if host else None), port or None
    except ValueError:
        raise UsageError(f"--to {quoted(text)}: neither ADDRESS, ADDRESS:PORT nor :PORT") from None


def _gateway_of_mapping(arguments: argparse.Namespace) -> str | None:
    """Return the value for the mappings' `gateway` field: `all`, `default` or one address."""
    from portmapper.api.errors import RowError
    from portmapper.sources.address_syntax import parse_gateway

    named = arguments.given.gateway
    if len(named) != 1 or (named[0] not in ANY_GATEWAY and (arguments.family or arguments.to)):
        return None
    try:
        parse_gateway(named[0])
    except RowError:  # an address with a port, or a URL: usable only as a search target
        return None
    return str(named[0])


def _warn_about_ignored_options(arguments: argparse.Namespace) -> None:
    ignored = arguments.given.gateway and _gateway_of_mapping(arguments) is None
    if ignored or len(arguments.given.backend) > 1:
        say("portmapper: the running daemon uses the gateways that it was started with", sys.stderr)


def _open_without_daemon(
    arguments: argparse.Namespace, records: list[dict[str, Any]], directory: Path
) -> Any:
    from portmapper.support.late_tls import import_asyncio

    import_asyncio()
    import asyncio

    if arguments.when == "listening":
        raise UsageError("--when listening needs a daemon. Start one with 'portmapper run'.")
    from portmapper.actions.open import open_without_daemon
    from portmapper.cli.run_config import observers_of, policy_of
    from portmapper.pluginhost.faults import instantiate
    from portmapper.pluginhost.manager import load_plugins
    from portmapper.scheduler.options import Options
    from portmapper.sources.adhoc import check_policy, parse_records

    plugins = load_plugins(arguments.disable_plugin)
    mappings = parse_records(records)
    policy = policy_of(arguments)
    check_policy(mappings, policy)
    observers = observers_of(plugins, arguments.settings_file)
    backends: list[Backend] = instantiate("backend", plugins.choose_backends(arguments.backend))
    quirks: list[Quirk] = instantiate("quirk", plugins.quirks)
    chosen = tuple(gateway for gateway in arguments.gateway if gateway not in ANY_GATEWAY)
    options = Options(chosen=chosen, scope=frozenset(), watch=False, policy_check=policy.checker)
    with _locked_store(directory) as store:
        return asyncio.run(open_without_daemon(backends, store, mappings, options, observers, quirks))


@contextlib.contextmanager
def _locked_store(directory: Path) -> Iterator[Store]:
    """Open the lease store, and lock the pid file meanwhile; wait while another command holds it."""
    from portmapper.daemon.pidfile import PidFile
    from portmapper.daemon.turns import COMMAND_LIMIT, PID_FILE, in_turn
    from portmapper.store.leases import FILE_NAME, Store

    pid_file = in_turn(lambda: PidFile(directory / PID_FILE), directory, COMMAND_LIMIT)
    try:
        pid_file.write()
        store = Store(directory / FILE_NAME)
        try:
            yield store
        finally:
            store.close()
    finally:
        pid_file.remove()


def _lifetime(text: str) -> int:
    from portmapper.support.duration import parse_duration

    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if seconds > MAX_DURATION:
        raise argparse.ArgumentTypeError(f"{text!r} is longer than {MAX_DURATION} seconds")
    return seconds
