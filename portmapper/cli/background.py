"""The tasks that run beside a daemon: control socket, garbage collection and a screen."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from portmapper.control.doctor_jobs import DoctorJobs
    from portmapper.control.listener import ControlListener
    from portmapper.daemon.pidfile import PidFiles
    from portmapper.pluginhost.manager import Plugins

Task = Callable[[Any], Coroutine[None, None, None]]
"""Runs beside a daemon, which is its argument."""


def tasks_beside(
    arguments: argparse.Namespace, plugins: Plugins, listener: ControlListener, pid_files: PidFiles
) -> Sequence[Task]:
    """Return the tasks that run beside the daemon until it ends."""
    from portmapper.cli.gc_tuning import tune_garbage_collection
    from portmapper.cli.lines import can_redraw
    from portmapper.control.doctor_jobs import DoctorJobs
    from portmapper.control.server import serve
    from portmapper.daemon.removed_files import keep_pid_files
    from portmapper.support.start_leftovers import LEFTOVERS

    LEFTOVERS.matter = True
    directory = listener.path.parent
    jobs = DoctorJobs(_doctor_command(arguments, directory))
    server = partial(serve, directory=directory, listener=listener, jobs=jobs)
    tasks: list[Task] = [server, partial(keep_pid_files, pid_files=pid_files), tune_garbage_collection]
    if arguments.http is not None:
        tasks.append(_http_listener(arguments, directory, plugins, jobs))
    if arguments.log_format == "text" and not arguments.daemon and can_redraw():
        tasks.append(_screen(directory))
    return tasks


def _http_listener(
    arguments: argparse.Namespace, directory: Path, plugins: Plugins, jobs: DoctorJobs
) -> Task:
    import attrs

    from portmapper.http.server import serve_http

    settings = attrs.evolve(arguments.settings_file.settings.http, listen=arguments.http)
    return partial(serve_http, settings=settings, directory=directory, plugins=plugins, jobs=jobs)


def _screen(directory: Path) -> Task:
    from portmapper.cli.watch import live_screen

    def screen(daemon: Any) -> Coroutine[None, None, None]:
        return live_screen(lambda: {**daemon.status(), "state_dir": str(directory)}, daemon.stop)

    return screen


def _doctor_command(arguments: argparse.Namespace, directory: Path) -> list[str]:
    """Return the command line of `doctor` that examines this daemon with its own options."""
    command = [sys.executable, "-m", "portmapper", "doctor", "--json-lines", "--state-dir", str(directory)]
    command += ["--config", str(arguments.settings_file.path)] if arguments.settings_file.path else []
    lists = {"--gateway": arguments.gateway, "--backend": arguments.backend}
    lists["--disable-plugin"] = arguments.given.disable_plugin
    return [*command, *(word for name, values in lists.items() for value in values for word in (name, value))]
