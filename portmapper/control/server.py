"""The HTTP API on the daemon's socket, which only its owner can open."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portmapper.control import loopback
from portmapper.control.listener import ControlListener
from portmapper.control.loopback import PORT_FILE, ControlPort
from portmapper.support.http_server import http_server, limited
from portmapper.support.removals import Removals
from portmapper.support.threads import in_thread_or_here

if TYPE_CHECKING:
    from aiohttp import web

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
        web = await in_thread_or_here(_import_web)
        from portmapper.control.problems import malformed_response

        application = _application(daemon, web, listener.port, jobs)
        malformed = partial(malformed_response, web)
        async with http_server(
            web, application, sock=listener.socket, shutdown_limit=SHUTDOWN_LIMIT, malformed=malformed
        ):
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


def _application(daemon: DaemonInterface, web: Any, port: ControlPort | None, jobs: DoctorJobs) -> Any:
    from portmapper.control.application import add_routes, make_application
    from portmapper.control.handlers import Handlers
    from portmapper.control.problems import errors_as_problems

    checks = [_with_token(web, port)] if port else []
    application = make_application(web, [limited, errors_as_problems(web), *checks])
    add_routes(application, Handlers(daemon, web, jobs))
    return application


def _with_token(web: Any, port: ControlPort) -> Any:
    from portmapper.control.problems import Problem

    @web.middleware  # type: ignore[untyped-decorator]
    async def middleware(request: web.Request, handler: Any) -> Any:
        if not port.authorizes(request.headers.get("Authorization", "")):
            raise Problem(401, f"the token from {PORT_FILE} is missing or invalid")
        return await handler(request)

    return middleware


def _import_web() -> Any:
    """Import aiohttp; the caller uses a thread, because the import takes longer than opening a port."""
    from portmapper.support.late_certificates import late_certificates

    with late_certificates():
        from aiohttp import web

    return web
