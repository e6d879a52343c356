"""`portmapper run`: keep the ports of one or more lists open."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from portmapper.api.command import Command
from portmapper.api.errors import UsageError
from portmapper.api.model import ConflictPolicy
from portmapper.cli.options import (
    absolute_path,
    add_config_option,
    add_gateway_options,
    add_log_options,
    add_plugin_option,
    add_source_options,
    add_state_option,
    begin_logging,
    warn_of_broken,
)

if TYPE_CHECKING:
    from portmapper.api.backend import Backend
    from portmapper.cli.run_config import RunConfig
    from portmapper.daemon.daemon import Companion, Daemon, RunOptions
    from portmapper.pluginhost.manager import Plugins
    from portmapper.sources.reader import SourceReader
    from portmapper.store.leases import Store


class Run(Command):
    """Keep the ports of a list open."""

    name = "run"
    help = "keep the ports of a list open"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options, named as upnp-daemon names them where it has them."""
        add_source_options(parser)
        add_config_option(parser)
        _add_process_options(parser)
        add_gateway_options(parser)
        parser.add_argument(
            "--conflict",
            choices=[policy.value for policy in ConflictPolicy],
            help="when the port is taken: replace only what is ours (own, the default), take another "
            "port (next), replace anybody's (take), or give up (fail)",
        )
        add_state_option(parser)
        add_plugin_option(parser)
        add_log_options(parser)
        parser.add_argument(
            "--json", action="store_true", help="with --oneshot: print the status document at the end"
        )

    def run(self, arguments: argparse.Namespace) -> int:
        """Run until stopped, or for one pass."""
        from portmapper.cli.daemonize import detached, try_before_detaching
        from portmapper.cli.run_config import RunConfig
        from portmapper.config.paths import state_directory
        from portmapper.daemon.pidfile import PidFiles
        from portmapper.daemon.signals import hold_signals, let_signals_through
        from portmapper.pluginhost.manager import load_plugins

        _check(arguments)
        begin_logging(arguments, "warning" if arguments.oneshot else "info")
        plugins = load_plugins(arguments.disable_plugin)
        warn_of_broken(plugins)
        allowed = tuple(backend.name for backend in plugins.choose_backends(arguments.backend))
        configuration = RunConfig(arguments, plugins, observed=not arguments.only_close_ports)
        directory = (arguments.state_dir or state_directory()).absolute()
        own = directory / "portmapper.pid"
        pid_files = PidFiles(arguments.pid_file or own, own, must_write=_is_one_pass(arguments))
        try:
            if arguments.daemon:
                try_before_detaching(arguments, configuration.setup.readers, directory)
            hold_signals()
            serve = partial(_serve, arguments, plugins, allowed, configuration, directory)
            if arguments.daemon:
                return detached(arguments, pid_files, serve)
            pid_files.write()
            return serve()
        finally:
            let_signals_through()
            pid_files.remove()


def _check(arguments: argparse.Namespace) -> None:
    if arguments.json and not arguments.oneshot:
        raise UsageError("--json goes with --oneshot; ask a running daemon with 'portmapper status --json'")
    if arguments.daemon and (arguments.foreground or arguments.oneshot or arguments.only_close_ports):
        raise UsageError("--daemon does not go with --foreground, --oneshot or --only-close-ports")
    if arguments.daemon and not hasattr(os, "fork"):
        raise UsageError("--daemon is not to be had on this system; see 'portmapper service print'")


def _is_one_pass(arguments: argparse.Namespace) -> bool:
    """What one pass opens, only the store lets the next one renew. A daemon renews it itself."""
    return bool(arguments.oneshot or arguments.only_close_ports)


def _serve(
    arguments: argparse.Namespace,
    plugins: Plugins,
    allowed: tuple[str, ...],
    configuration: RunConfig,
    directory: Path,
) -> int:
    import asyncio

    from portmapper.store.leases import FILE_NAME, Store

    store = Store(directory / FILE_NAME, must_write=_is_one_pass(arguments))
    try:
        if arguments.only_close_ports:
            return asyncio.run(_close_ports(arguments, plugins, configuration.setup.readers, store))
        companions = _companions(arguments, directory)
        daemon = asyncio.run(_run(arguments, plugins, allowed, configuration, store, companions))
    finally:
        store.close()
    return _report(arguments, daemon) if arguments.oneshot else 0


async def _run(
    arguments: argparse.Namespace,
    plugins: Plugins,
    allowed: tuple[str, ...],
    configuration: RunConfig,
    store: Store,
    companions: Sequence[Companion],
) -> Daemon:
    from portmapper.daemon.daemon import Daemon

    daemon = Daemon(
        _options(arguments, allowed),
        _backends(plugins, allowed, store),
        configuration.setup,
        store,
        companions,
        configuration.reset,
    )
    await daemon.run()
    return daemon


async def _close_ports(
    arguments: argparse.Namespace, plugins: Plugins, readers: Sequence[SourceReader], store: Store
) -> int:
    import asyncio

    from portmapper.actions.close_listed import ListCloser
    from portmapper.daemon.signals import handling
    from portmapper.pluginhost.faults import made
    from portmapper.sources.reader import read_first

    closing = ListCloser(
        made("backend", plugins.choose_backends(arguments.backend)),
        store,
        chosen=arguments.gateway,
        conflict=ConflictPolicy(arguments.conflict),
    )

    async def close() -> None:
        readings = await read_first(readers)
        await closing.close([mapping for reading in readings for mapping in reading.mappings])

    def stop() -> None:
        working.cancel()

    working = asyncio.create_task(close())
    with handling(stop=stop, interrupt=stop, reload=lambda: None):
        await asyncio.wait([working])
    if working.cancelled():
        return 0
    working.result()
    return 1 if closing.failed else 0


def _options(arguments: argparse.Namespace, allowed: tuple[str, ...]) -> RunOptions:
    from portmapper.daemon.daemon import RunOptions

    return RunOptions(
        interval=arguments.interval,
        oneshot=arguments.oneshot,
        close_on_exit=arguments.close_ports_on_exit,
        conflict=ConflictPolicy(arguments.conflict),
        chosen=tuple(arguments.gateway),
        allowed=allowed,
    )


def _backends(plugins: Plugins, allowed: tuple[str, ...], store: Store) -> list[Backend]:
    """Return the allowed backends, best first, and those that left-over leases need for their release."""
    from portmapper.pluginhost.faults import made

    known = {backend.name: backend for backend in plugins.backends}
    needed = [stored.lease.backend for stored in store.leases]
    return made("backend", [known[name] for name in dict.fromkeys([*allowed, *needed]) if name in known])


def _companions(arguments: argparse.Namespace, directory: Path) -> list[Companion]:
    """Return what runs beside the daemon: the control socket, and a table when a person looks on."""
    if arguments.oneshot:
        return []
    from portmapper.cli.gc_tuning import look_for_garbage
    from portmapper.control.server import serve

    companions: list[Companion] = [partial(serve, directory=directory), look_for_garbage]
    if arguments.log_format == "text" and not arguments.daemon and sys.stdout.isatty():
        from portmapper.cli.watch import live_table

        companions.append(lambda daemon: live_table(daemon.status))
    return companions


def _report(arguments: argparse.Namespace, daemon: Daemon) -> int:
    """Print what came of one pass, and return its exit status."""
    document = daemon.document
    if arguments.json:
        print(json.dumps(document, indent=2))
    elif sys.stdout.isatty():
        from portmapper.cli.tables import print_status

        print_status(document)
    if daemon.stopped:
        return 0
    if not document["gateways"] and any(mapping["state"] == "pending" for mapping in document["mappings"]):
        print("portmapper: no gateway answered; portmapper doctor tells why", file=sys.stderr)
        return 3
    rejected = any(source["rejected"] for source in document["sources"])
    closed = [mapping for mapping in document["mappings"] if mapping["state"] != "active"]
    return 1 if closed or rejected else 0


def _add_process_options(parser: argparse.ArgumentParser) -> None:
    """Declare how long it runs, where, and what it leaves behind."""
    parser.add_argument(
        "-F", "--foreground", action="store_true", help="stay in the foreground (the default)"
    )
    parser.add_argument(
        "--daemon", action="store_true", help="detach; returns when the pid file is written and locked"
    )
    parser.add_argument("-1", "--oneshot", action="store_true", help="one pass, then exit")
    parser.add_argument(
        "-n",
        "--interval",
        type=_seconds,
        metavar="SECONDS",
        help="how often sources are read again and leases verified (default 60)",
    )
    parser.add_argument(
        "--close-ports-on-exit", action="store_true", help="release on exit what this run opened"
    )
    parser.add_argument(
        "--only-close-ports", action="store_true", help="release what the sources list, and exit"
    )
    parser.add_argument(
        "--pid-file",
        type=absolute_path,
        metavar="FILE",
        help="default: in the state directory, whose own is locked in any case",
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 86400 * 365:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, 1 or more")
    return seconds
