"""The HTTP API on the daemon's socket, which only its owner can open."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portmapper.control import loopback
from portmapper.control.listener import ControlListener
from portmapper.control.loopback import ControlPort
from portmapper.support.removals import Removals
from portmapper.support.threads import in_thread_or_here

if TYPE_CHECKING:
    from portmapper.control.daemon_interface import DaemonInterface
    from portmapper.control.doctor_jobs import DoctorJobs

SHUTDOWN_LIMIT = 1.0
"""Seconds that running requests have to finish when the daemon stops."""

LISTEN_RETRY_DELAY = 2.0
"""Seconds before the next attempt, after the socket could not be created."""

_log = logging.getLogger(__name__)


async def serve(
    daemon: DaemonInterface,
    directory: Path,
    *,
    loopback: bool = loopback.NEEDED,
    listener: ControlListener | None = None,
    jobs: DoctorJobs,
) -> None:
    """Serve the API until canceled. If the socket cannot be created, log it once and retry.

    Args:
        daemon: the daemon that answers the requests.
        directory: its state directory.
        loopback: use a loopback port with a token instead of a Unix socket.
        listener: the socket, if it is already open.
        jobs: the diagnoses of this daemon.
    """
    listener = listener or ControlListener(directory, on_loopback=loopback)
    try:
        while True:
            if listener.socket is None:
                await _open_with_retry(listener)
            await _serve_at(daemon, listener, jobs)
    finally:
        listener.close()
        await jobs.close()


async def _serve_at(daemon: DaemonInterface, listener: ControlListener, jobs: DoctorJobs) -> None:
    """Serve until the socket's file is removed. The HTTP server is loaded for the first client."""
    removals = Removals([listener.path])
    try:
        await _serve_until_removed(daemon, listener, jobs, removals)
    finally:
        removals.close()
    listener.close()


async def _serve_until_removed(
    daemon: DaemonInterface, listener: ControlListener, jobs: DoctorJobs, removals: Removals
) -> None:
    if await _first_client(listener, removals):
        assert listener.socket is not None, "it is open"
        light_server, answer = await in_thread_or_here(partial(_load, daemon, listener.port, jobs))
        async with light_server(listener.socket, answer, shutdown_limit=SHUTDOWN_LIMIT):
            while not listener.was_removed:
                await removals.wait()


async def _first_client(listener: ControlListener, removals: Removals) -> bool:
    """Wait for a client and return True, or False if the socket's file was removed."""
    socket = listener.socket
    assert socket is not None, "it is open"
    socket.setblocking(False)
    came = asyncio.Event()
    loop = asyncio.get_running_loop()

    def note() -> None:
        loop.remove_reader(socket)  # it stays readable until the server accepts the client
        came.set()
        removals.wake()

    loop.add_reader(socket, note)
    try:
        while not came.is_set() and not listener.was_removed:
            await removals.wait()
        return came.is_set()
    finally:
        loop.remove_reader(socket)


async def _open_with_retry(listener: ControlListener) -> None:
    """Listen as soon as the directory is writable; log only the first failure."""
    logged = False
    while True:
        try:
            return listener.open()
        except (OSError, MemoryError) as error:
            if not logged:
                reason = getattr(error, "strerror", None) or error
                _log.warning(
                    "cannot create the control socket in %s: %s; retrying", listener.path.parent, reason
                )
            logged = True
            await asyncio.sleep(LISTEN_RETRY_DELAY)


def _load(daemon: DaemonInterface, port: ControlPort | None, jobs: DoctorJobs) -> tuple[Any, Any]:
    """Import the server; the caller uses a thread, because the import takes longer than opening a port."""
    from portmapper.control import light_web
    from portmapper.control.handlers import Handlers
    from portmapper.control.light_server import light_server
    from portmapper.control.routes import Routes

    return light_server, Routes(Handlers(daemon, light_web, jobs), port).answer
