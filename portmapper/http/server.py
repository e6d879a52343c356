"""The listener: binds the address, and then loads the server of the API and the pages."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portmapper.config.http_settings import HttpSettings
from portmapper.control.daemon_interface import DaemonInterface
from portmapper.support.text import endpoint
from portmapper.support.threads import in_thread_or_here

if TYPE_CHECKING:
    from portmapper.control.doctor_jobs import DoctorJobs
    from portmapper.pluginhost.manager import Plugins

BACKLOG = 128

LOAD_DELAY = 2.0
"""Seconds before the server is loaded without a client, so that the first page is as fast as the others."""

_log = logging.getLogger(__name__)


async def serve_http(
    daemon: DaemonInterface, settings: HttpSettings, directory: Path, plugins: Plugins, jobs: DoctorJobs
) -> None:
    """Serve until canceled.

    Args:
        daemon: the daemon that answers the requests.
        settings: the address and what belongs to it; `listen` is set.
        directory: the state directory, with the tokens.
        plugins: the loaded plugins; some have pages.
        jobs: the diagnoses of this daemon.

    Raises:
        OSError: the address cannot be used, or the certificate cannot be read.
    """
    assert settings.listen is not None, "the caller checks it"
    with _bound(*settings.listen) as listener:
        listen = _tls(settings)
        daemon.web_address = _announce(settings, is_encrypted=listen is not None)
        try:
            await _first_client(listener)
            serve = await in_thread_or_here(_load)
            await serve(daemon, settings, directory, plugins, jobs, listener, listen)
        finally:
            daemon.web_address = None


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise OSError(f"cannot listen at {endpoint(host, port)}: {error.strerror or error}") from error
    listener.setblocking(False)
    return listener


def _tls(settings: HttpSettings) -> Any:
    if settings.certificate is None:
        return None
    from portmapper.support.tls_server import Certificate, listener_for

    return listener_for(Certificate(settings.certificate, settings.key or settings.certificate))


def _announce(settings: HttpSettings, *, is_encrypted: bool) -> str:
    """Log the URL of the listener and return it."""
    assert settings.listen is not None, "the caller checks it"
    host, port = settings.listen
    url = f"{'https' if is_encrypted else 'http'}://{endpoint(host, port)}/"
    _log.info("listening at %s", url)
    if not is_encrypted and not settings.trusted_proxies and not ipaddress.ip_address(host).is_loopback:
        _log.warning(
            "%s is not encrypted: others on the network can read tokens. Set certificate and key in the "
            "table [http], or use a reverse proxy",
            endpoint(host, port),
        )
    return url


async def _first_client(listener: socket.socket) -> None:
    """Wait for a client, or until the ports have probably been opened: loading the server delays that."""
    came = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(listener, came.set)
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOAD_DELAY):
                await came.wait()
    finally:
        loop.remove_reader(listener)


def _load() -> Any:
    """Import the server; the caller uses a thread, because this takes longer than opening a port."""
    from aiohttp import web

    from portmapper.http.application import serve_application

    return partial(serve_application, web)
