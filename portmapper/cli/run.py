"""`portmapper run`: keep the ports of lists open."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from portmapper.api.command import Command
from portmapper.api.errors import UsageError
from portmapper.api.model import HELD_BACK
from portmapper.cli.cluster import add_cluster_options, cluster_of
from portmapper.cli.options import (
    CONFLICTS,
    absolute_path,
    add_config_option,
    add_gateway_options,
    add_log_options,
    add_plugin_option,
    add_source_options,
    add_state_option,
    configure_logging,
    conflict_name,
    warn_of_failed_plugins,
)
from portmapper.cli.say import say

if TYPE_CHECKING:
    from portmapper.api.backend import Backend
    from portmapper.api.daemon_command import DaemonParts
    from portmapper.cli.run_config import RunConfig
    from portmapper.control.listener import ControlListener
    from portmapper.daemon.cluster import Cluster
    from portmapper.daemon.daemon import BackgroundTask, Daemon
    from portmapper.daemon.options import RunOptions
    from portmapper.daemon.pidfile import PidFiles
    from portmapper.pluginhost.manager import Plugins
    from portmapper.store.leases import Store


class Run(Command):
    """The command `run`."""

    name = "run"
    help = "keep the ports of a list open"
    examples = ("portmapper run ports.csv", "portmapper run --oneshot ports.csv")

    def __init__(self, parts: DaemonParts | None = None) -> None:
        """Run the daemon, with the parts of a plugin's command."""
        self._parts = parts

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of `run`; those that upnp-daemon has too have its names."""
        add_source_options(parser)
        add_config_option(parser)
        _add_process_options(parser)
        add_gateway_options(parser)
        add_cluster_options(parser)
        parser.add_argument(
            "--conflict",
            type=conflict_name,
            choices=CONFLICTS,
            help="if the port is taken: keep the mapping of another host (keep, the default), use another "
            "port (next), overwrite any mapping (overwrite), or replace nothing (fail)",
        )
        add_state_option(parser)
        add_plugin_option(parser)
        add_log_options(parser)
        parser.add_argument(
            "--json", action="store_true", help="with --oneshot: print the status document before exiting"
        )

    def run(self, arguments: argparse.Namespace) -> int:
        """Run until a signal stops it, or for one pass."""
        from portmapper.cli.daemonize import check_before_detaching, run_detached
        from portmapper.cli.run_config import RunConfig
        from portmapper.cli.terminal import never_wait_for_terminals
        from portmapper.config.paths import state_directory
        from portmapper.control.listener import ControlListener
        from portmapper.daemon.pidfile import PidFiles
        from portmapper.daemon.signals import block_signals, unblock_signals
        from portmapper.daemon.turns import COMMAND_LIMIT, PASS_LIMIT, PID_FILE, in_turn
        from portmapper.pluginhost.manager import load_plugins
        from portmapper.support.plugin_state import STATE

        _check_options(arguments)
        if not _is_one_pass(arguments):
            never_wait_for_terminals()
        configure_logging(arguments, "warning" if arguments.oneshot else "info")
        plugins = load_plugins(arguments.disable_plugin)
        warn_of_failed_plugins(plugins)
        allowed = tuple(backend.name for backend in plugins.choose_backends(arguments.backend))
        config = RunConfig(
            arguments, plugins, with_observers=not arguments.only_close_ports, parts=self._parts
        )
        cluster = cluster_of(arguments, plugins, self._parts)
        directory = (arguments.state_dir or state_directory()).absolute()
        STATE.directory = directory
        in_state, is_pass = directory / PID_FILE, _is_one_pass(arguments)
        lock = partial(PidFiles, arguments.pid_file or in_state, in_state, must_write=is_pass)
        pid_files = in_turn(lock, directory, PASS_LIMIT if is_pass else COMMAND_LIMIT)
        listener = ControlListener(directory)
        ready = partial(_announce, pid_files, None if is_pass else listener)
        try:
            if arguments.daemon:
                check_before_detaching(arguments, config.setup.readers, directory)
            block_signals()
            serve = partial(_serve, arguments, plugins, allowed, config, listener, pid_files, cluster)
            if arguments.daemon:
                return run_detached(arguments, pid_files, ready, serve)
            ready()
            return serve()
        finally:
            unblock_signals()
            listener.close()
            pid_files.remove()


def _announce(pid_files: PidFiles, listener: ControlListener | None) -> None:
    """Write the pid files and open the control socket: commands find the daemon while it still starts."""
    pid_files.write()
    if listener is not None:
        with contextlib.suppress(OSError):  # the daemon tries again, and logs it
            listener.open()


def _check_options(arguments: argparse.Namespace) -> None:
    if arguments.json and not arguments.oneshot:
        raise UsageError("--json needs --oneshot; for a running daemon, use 'portmapper status --json'")
    if arguments.daemon and (arguments.foreground or arguments.oneshot or arguments.only_close_ports):
        raise UsageError("--daemon cannot be combined with --foreground, --oneshot or --only-close-ports")
    if arguments.daemon and not hasattr(os, "fork"):
        raise UsageError("--daemon is not available on this system; see 'portmapper service print'")


def _is_one_pass(arguments: argparse.Namespace) -> bool:
    """Return whether this run ends after one pass.

    Such a run must be able to write its store, because the next run can renew only the leases stored there. A
    daemon renews its leases itself.
    """
    return bool(arguments.oneshot or arguments.only_close_ports)


def _serve(
    arguments: argparse.Namespace,
    plugins: Plugins,
    allowed: tuple[str, ...],
    config: RunConfig,
    listener: ControlListener,
    pid_files: PidFiles,
    cluster: Cluster,
) -> int:
    import asyncio

    from portmapper.cli.background import tasks_beside
    from portmapper.cli.close_ports import close_ports
    from portmapper.cli.progress import progress
    from portmapper.daemon.adopted import refuse_empty
    from portmapper.daemon.event_loop import run_event_loop
    from portmapper.store.leases import FILE_NAME, Store

    store = Store(listener.path.parent / FILE_NAME, must_write=_is_one_pass(arguments))
    try:
        refuse_empty(config.setup.readers, store)
        if arguments.only_close_ports:
            with progress("closing the ports"):
                return asyncio.run(close_ports(arguments, plugins, config.setup.readers, store))
        background_tasks = () if arguments.oneshot else tasks_beside(arguments, plugins, listener, pid_files)
        # A daemon has its own screen.
        with progress("opening the ports") if arguments.oneshot else nullcontext():
            daemon = run_event_loop(
                lambda: _run(arguments, plugins, allowed, config, store, background_tasks, cluster)
            )
    finally:
        store.close()
    if arguments.oneshot:
        return _report(arguments, daemon)
    _say_farewell(arguments, daemon)
    return 0


def _say_farewell(arguments: argparse.Namespace, daemon: Daemon) -> None:
    """Tell a user at a terminal or a script what remains open; a service's log has no use for it."""
    from portmapper.support.writable import takes_text

    if not takes_text(sys.stderr):
        return
    if arguments.close_ports_on_exit or arguments.daemon or arguments.log_format != "text":
        return
    from portmapper.cli.farewell import farewell, options_of_close

    for line in farewell(daemon.document, options_of_close(arguments.given)):
        if line.startswith(" "):
            print(line, file=sys.stderr)  # a command stays whole: it is there to be copied
        else:
            say(line, sys.stderr)


async def _run(
    arguments: argparse.Namespace,
    plugins: Plugins,
    allowed: tuple[str, ...],
    config: RunConfig,
    store: Store,
    background_tasks: Sequence[BackgroundTask],
    cluster: Cluster,
) -> Daemon:
    from portmapper.daemon.daemon import Daemon
    from portmapper.pluginhost.faults import instantiate

    daemon = Daemon(
        _options(arguments, allowed),
        _backends(plugins, allowed, store),
        config.setup,
        store,
        background_tasks,
        config.reload,
        instantiate("quirk", plugins.quirks),
        cluster,
    )
    await daemon.run()
    return daemon


def _options(arguments: argparse.Namespace, allowed: tuple[str, ...]) -> RunOptions:
    from portmapper.daemon.options import RunOptions
    from portmapper.sources.field_parsers import parse_conflict

    return RunOptions(
        interval=arguments.interval,
        oneshot=arguments.oneshot,
        close_on_exit=arguments.close_ports_on_exit,
        conflict=parse_conflict(arguments.conflict),
        chosen=tuple(arguments.gateway),
        allowed=allowed,
    )


def _backends(plugins: Plugins, allowed: tuple[str, ...], store: Store) -> list[Backend]:
    """Return the allowed backends, best first, then those needed to release leases of earlier runs."""
    from portmapper.pluginhost.faults import instantiate

    known = {backend.name: backend for backend in plugins.backends}
    needed = [stored.lease.backend for stored in store.leases]
    return instantiate(
        "backend", [known[name] for name in dict.fromkeys([*allowed, *needed]) if name in known]
    )


def _report(arguments: argparse.Namespace, daemon: Daemon) -> int:
    """Print the result of one pass and return the exit status."""
    document = daemon.document
    if arguments.json:
        print(json.dumps(document, indent=2))
    elif sys.stdout.isatty():
        from portmapper.cli.tables import print_status

        print_status(document)
    else:
        _warn(document)
    states = {mapping["state"] for mapping in document["mappings"]}
    if daemon.stopped:
        # No mapping at all: the lists were still being read.
        return 1 if "pending" in states or not states else 0
    if not document["gateways"] and "pending" in states:
        say("portmapper: no gateway answered; run 'portmapper doctor' to find out why", sys.stderr)
        return 3
    rejected = any(source["rejected"] for source in document["sources"])
    return 1 if states - {"active", *HELD_BACK} or rejected else 0


def _warn(document: dict[str, Any]) -> None:
    from portmapper.cli.wording import address_warnings

    for warning in address_warnings(document):
        say(f"portmapper: warning: {warning}", sys.stderr)


def _add_process_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the process: foreground or daemon, duration, interval and exit."""
    parser.add_argument(
        "-F", "--foreground", action="store_true", help="stay in the foreground (the default)"
    )
    parser.add_argument(
        "--daemon", action="store_true", help="run in the background; returns once the pid file is locked"
    )
    parser.add_argument("-1", "--oneshot", action="store_true", help="run one pass, then exit")
    parser.add_argument(
        "-n",
        "--interval",
        type=_seconds,
        metavar="TIME",
        help="how often to read the sources again and verify leases: seconds, or 90s, 15m, 1h (default 60)",
    )
    parser.add_argument(
        "--close-ports-on-exit", action="store_true", help="on exit, close the ports that this run opened"
    )
    parser.add_argument(
        "--only-close-ports", action="store_true", help="close the ports that the sources list, then exit"
    )
    parser.add_argument(
        "--http",
        type=_listen_address,
        metavar="ADDRESS:PORT",
        help="also serve the HTTP API and the web interface here, such as 127.0.0.1:8080",
    )
    parser.add_argument(
        "--pid-file",
        type=absolute_path,
        metavar="FILE",
        help="default: portmapper.pid in the state directory, which is locked in any case",
    )


def _listen_address(text: str) -> tuple[str, int]:
    from portmapper.support.listen_address import parse_listen_address

    try:
        return parse_listen_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from None


def _seconds(text: str) -> float:
    from portmapper.support.duration import EXAMPLES, parse_duration

    try:
        seconds = float(text) if "." in text else float(parse_duration(text))
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 86400 * 365:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time of 1 second to 1 year: {EXAMPLES}")
    return seconds
