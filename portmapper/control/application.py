"""The routes of the API, for the socket and for the TCP listener."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from portmapper.control.handlers import Handlers
from portmapper.control.operations import OPERATIONS

MAX_BODY = 1024 * 1024
"""Bytes of the body of a request."""


def add_routes(application: Any, handlers: Handlers, *, over_tcp: bool = False) -> None:
    """Add the route of each operation to an application."""
    for operation in OPERATIONS:
        if over_tcp and operation.socket_only:
            continue
        handler = getattr(handlers, operation.name)
        # HEAD for a stream would never end.
        is_stream = operation.name == "events"
        if operation.method == "GET":
            application.router.add_get(operation.path, handler, allow_head=not is_stream)
        else:
            application.router.add_post(operation.path, handler)


def make_application(web: Any, middlewares: Iterable[Any]) -> Any:
    """Return an application without routes."""
    return web.Application(middlewares=list(middlewares), client_max_size=MAX_BODY)
