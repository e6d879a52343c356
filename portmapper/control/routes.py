"""Finds the handler of a request on the control socket, and turns its errors into problem documents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from portmapper.control import light_web
from portmapper.control.handlers import Handlers
from portmapper.control.light_web import Request
from portmapper.control.loopback import PORT_FILE, ControlPort
from portmapper.control.operations import OPERATIONS
from portmapper.control.problems import Problem, not_allowed, not_found, problem_of, problem_response

Handler = Callable[[Request], Awaitable[Any]]


class Routes:
    """The operations of the API on the socket.

    Args:
        handlers: their methods answer.
        port: requests need its token; None for a Unix socket.
    """

    def __init__(self, handlers: Handlers, port: ControlPort | None) -> None:
        self._handlers = handlers
        self._port = port

    async def answer(self, request: Request) -> Any:
        """Answer a request; only errors of the connection are raised."""
        try:
            return await self._handler(request)(request)
        except ConnectionError:
            raise  # the client left
        except Exception as error:
            return problem_response(light_web, problem_of(error, request.path))

    def _handler(self, request: Request) -> Handler:
        if self._port is not None and not self._port.authorizes(request.headers.get("Authorization")):
            raise Problem(HTTPStatus.UNAUTHORIZED, f"the token from {PORT_FILE} is missing or invalid")
        found = [(o, parts) for o in OPERATIONS if (parts := _matched(o.path, request.path)) is not None]
        if not found:
            raise not_found(request.path)
        for operation, request.match_info in found:
            if request.method in operation.methods:
                handler: Handler = getattr(self._handlers, operation.name)
                return handler
        raise not_allowed(request.method, {method for o, _ in found for method in o.methods})


def _matched(pattern: str, path: str) -> Mapping[str, str] | None:
    """Return the variable parts of a path, or None if it is another one."""
    expected, given = pattern.split("/"), path.split("/")
    if len(expected) != len(given):
        return None
    pairs = [(name, value) for name, value in zip(expected, given, strict=True) if name != value]
    if any(not name.startswith("{") for name, _ in pairs):
        return None
    return {name.strip("{}"): value for name, value in pairs}
