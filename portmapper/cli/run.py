"""`portmapper run`: keep the ports of lists open."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING

from portmapper.api.command import Command
from portmapper.api.errors import UsageError
from portmapper.cli.cluster import add_cluster_options, cluster_of
from portmapper.cli.options import (
    CONFLICTS,
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
from portmapper.cli.run_options import add_process_options
from portmapper.cli.run_result import exit_status

if TYPE_CHECKING:
    from pathlib import Path

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
        add_process_options(parser)
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
        from portmapper.cli.run_config import RunConfig
        from portmapper.daemon.signals import block_signals, unblock_signals

        plugins = _begin(arguments)
        allowed = tuple(backend.name for backend in plugins.choose_backends(arguments.backend))
        config = RunConfig(
            arguments, plugins, with_observers=not arguments.only_close_ports, parts=self._parts
        )
        cluster = cluster_of(arguments, plugins, self._parts)
        directory = _state_directory(arguments)
        pid_files = _locked_pid_files(arguments, directory)
        listener = _control_listener(arguments, directory)
        ready = partial(_announce, pid_files, listener)
        try:
            if arguments.daemon:
                from portmapper.cli import daemonize

                daemonize.check_before_detaching(arguments, config.setup.readers, directory)
            block_signals()
            serve = partial(
                _serve, arguments, plugins, allowed, config, directory, listener, pid_files, cluster
            )
            if arguments.daemon:
                return daemonize.run_detached(arguments, pid_files, ready, serve)
            ready()
            return serve()
        finally:
            unblock_signals()
            if listener is not None:
                listener.close()
            pid_files.remove()


def _begin(arguments: argparse.Namespace) -> Plugins:
    """Check the options, configure the log, and load the plugins."""
    from portmapper.pluginhost.manager import load_plugins

    _check_options(arguments)
    if not _is_one_pass(arguments):
        from portmapper.cli.terminal import never_wait_for_terminals

        never_wait_for_terminals()
    configure_logging(arguments, "warning" if arguments.oneshot else "info")
    plugins = load_plugins(arguments.disable_plugin)
    warn_of_failed_plugins(plugins)
    return plugins


def _state_directory(arguments: argparse.Namespace) -> Path:
    """Return the state directory, and let plugins use it, too."""
    from portmapper.config.paths import state_directory
    from portmapper.support.plugin_state import STATE

    directory: Path = (arguments.state_dir or state_directory()).absolute()
    STATE.directory = directory
    return directory


def _locked_pid_files(arguments: argparse.Namespace, directory: Path) -> PidFiles:
    """Lock the pid files; wait while another pass or command holds them."""
    from portmapper.daemon.pidfile import PidFiles
    from portmapper.daemon.turns import COMMAND_LIMIT, PASS_LIMIT, PID_FILE, in_turn

    in_state, is_pass = directory / PID_FILE, _is_one_pass(arguments)
    lock = partial(PidFiles, arguments.pid_file or in_state, in_state, must_write=is_pass)
    return in_turn(lock, directory, PASS_LIMIT if is_pass else COMMAND_LIMIT)


def _control_listener(arguments: argparse.Namespace, directory: Path) -> ControlListener | None:
    """Return the control socket of a daemon; nobody can send requests to a single pass."""
    if _is_one_pass(arguments):
        return None
    from portmapper.control.listener import ControlListener

    return ControlListener(directory)


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
    directory: Path,
    listener: ControlListener | None,
    pid_files: PidFiles,
    cluster: Cluster,
) -> int:
    from portmapper.cli.progress import progress
    from portmapper.daemon.adopted import refuse_empty
    from portmapper.daemon.event_loop import ATTEMPTS_OF_ONE_PASS, run_event_loop
    from portmapper.store.leases import FILE_NAME, Store

    store = Store(directory / FILE_NAME, must_write=_is_one_pass(arguments))
    try:
        refuse_empty(config.setup.readers, store)
        if arguments.only_close_ports:
            return _close_ports(arguments, plugins, config, store)
        at_end = _at_end(arguments)
        background_tasks = _background_tasks(arguments, plugins, listener, pid_files)
        # A daemon has its own screen.
        with progress("opening the ports") if arguments.oneshot else nullcontext():
            daemon = run_event_loop(
                lambda: _run(arguments, plugins, allowed, config, store, background_tasks, cluster),
                attempts=ATTEMPTS_OF_ONE_PASS if arguments.oneshot else math.inf,
            )
    finally:
        store.close()
    return at_end(daemon)


def _at_end(arguments: argparse.Namespace) -> Callable[[Daemon], int]:
    """Return what prints the result of a run and returns its exit status.

    A daemon imports it at its start: at its end, the files may be those of another version.
    """
    if arguments.oneshot:
        return lambda daemon: exit_status(arguments, daemon.document, daemon.stopped)
    from portmapper.cli.farewell import say_farewell

    def ended(daemon: Daemon) -> int:
        say_farewell(arguments, daemon.document)
        return 0

    return ended


def _background_tasks(
    arguments: argparse.Namespace, plugins: Plugins, listener: ControlListener | None, pid_files: PidFiles
) -> Sequence[BackgroundTask]:
    if listener is None:
        return ()
    from portmapper.cli.background import tasks_beside  # a pass has none

    return tasks_beside(arguments, plugins, listener, pid_files)


def _close_ports(arguments: argparse.Namespace, plugins: Plugins, config: RunConfig, store: Store) -> int:
    import asyncio

    from portmapper.cli.close_ports import close_ports
    from portmapper.cli.progress import progress

    with progress("closing the ports"):
        return asyncio.run(close_ports(arguments, plugins, config.setup.readers, store))


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
