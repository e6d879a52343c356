"""The application behind the listener: the API, the login and the pages, with every check before them."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from functools import partial
from pathlib import Path
from typing import Any, cast

from portmapper.config.http_settings import HttpSettings
from portmapper.control.daemon_interface import DaemonInterface
from portmapper.control.doctor_jobs import DoctorJobs
from portmapper.control.handlers import MAX_BODY, Handlers
from portmapper.control.operations import OPERATIONS
from portmapper.control.problems import malformed_response
from portmapper.http.access import LOGOUT, Access, middleware
from portmapper.http.bare_page import PATH
from portmapper.http.errors import errors_as_problems
from portmapper.http.headers import HEADERS, add_headers
from portmapper.http.login import Login
from portmapper.http.login_limit import LoginLimit
from portmapper.http.pages import Pages
from portmapper.http.restricted import Restricted
from portmapper.http.sessions import Sessions
from portmapper.http.tokens import Tokens
from portmapper.http.view import View
from portmapper.http.visit import client_of
from portmapper.pluginhost.manager import Plugins
from portmapper.support.allowed_hosts import AllowedHosts
from portmapper.support.connection_guard import ConnectionGuard
from portmapper.support.http_server import http_server, limited
from portmapper.support.threads import in_thread

SHUTDOWN_LIMIT = 1.0
"""Seconds that running requests have to finish when the daemon stops."""

TOTAL = 128
PER_PEER = 32
"""Connections; a browser needs up to seven, and a proxy serves many."""


async def serve_application(
    web: Any,
    daemon: DaemonInterface,
    settings: HttpSettings,
    directory: Path,
    plugins: Plugins,
    jobs: DoctorJobs,
    listener: socket.socket,
    listen: Any,
) -> None:
    """Serve at a listening socket until canceled."""
    daemon = cast(DaemonInterface, Restricted(daemon, settings.trust))
    # A page's module may import a template engine.
    kinds = await in_thread(lambda: plugins.web)
    pages: Pages = Pages(web, kinds, View(daemon, jobs, plugins, lambda: pages))
    application = _application(web, _access(settings, directory), pages, daemon, jobs)
    per_peer = TOTAL if settings.trusted_proxies else PER_PEER
    guard = partial(ConnectionGuard, total=TOTAL, per_peer=per_peer, replace_idle=True)
    async with http_server(
        web,
        application,
        shutdown_limit=SHUTDOWN_LIMIT,
        guard=guard,
        listen=listen,
        malformed=lambda status: _malformed(web, status),
        sock=listener,
    ):
        await asyncio.Event().wait()


def _application(web: Any, access: Access, pages: Pages, daemon: DaemonInterface, jobs: DoctorJobs) -> Any:
    middlewares = [limited, errors_as_problems(web), middleware(web, access)]
    application = web.Application(middlewares=middlewares, client_max_size=MAX_BODY)
    application.on_response_prepare.append(add_headers)
    handlers = Handlers(
        daemon, web, jobs, over_tcp=True, client_of=client_of, may_continue=access.may_continue
    )
    _add_operations(application, handlers)
    _add_login(application, Login(access, web, pages.login_page, pages.send))
    access.public.update(pages.add_routes(application))
    return application


def _add_operations(application: Any, handlers: Handlers) -> None:
    for operation in OPERATIONS:
        if not operation.socket_only:
            for method in operation.methods:
                application.router.add_route(method, operation.path, getattr(handlers, operation.name))


def _malformed(web: Any, status: int) -> Any:
    response = malformed_response(web, status)
    response.headers.update(HEADERS)
    return response


def _access(settings: HttpSettings, directory: Path) -> Access:
    assert settings.listen is not None, "the caller checks it"
    host, _ = settings.listen
    tokens = Tokens(directory)
    return Access(
        AllowedHosts(host, settings.hosts),
        tokens,
        Sessions(directory, tokens),
        LoginLimit(),
        settings.trusted_proxies,
        ipaddress.ip_address(host).is_loopback,
        {("GET", PATH), ("POST", PATH), *((o.method, o.path) for o in OPERATIONS if o.open)},
    )


def _add_login(application: Any, login: Login) -> None:
    application.router.add_get(PATH, login.show)
    application.router.add_post(PATH, login.log_in)
    application.router.add_post(LOGOUT, login.log_out)
