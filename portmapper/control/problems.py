"""Errors of the HTTP API as problem documents (RFC 9457)."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from portmapper.api.errors import PortmapperError, UsageError
from portmapper.support.text import printable

PROBLEM_JSON = "application/problem+json"

_log = logging.getLogger(__name__)


class Problem(PortmapperError):
    """An answer that reports an error.

    Attributes:
        status: the HTTP status.
        detail: what is wrong with this request and what to do, one line.
        headers: further headers of the answer.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})

    @property
    def title(self) -> str:
        """The name of the status, because `type` is `about:blank` (RFC 9457, section 4.2.1)."""
        return HTTPStatus(self.status).phrase

    @property
    def document(self) -> dict[str, Any]:
        """The body."""
        return {"type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail}


def problem_of(error: Exception, path: str) -> Problem:
    """Return the problem for an error that a handler raised; log an unexpected one."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, UsageError):
        return Problem(HTTPStatus.BAD_REQUEST, str(error))
    if isinstance(error, PortmapperError):
        return Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
    _log.error("the request %s failed: %s: %s", printable(path), type(error).__name__, error)
    _log.debug("the request failed", exc_info=error)
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error; see the daemon's log")


def problem_response(web: Any, problem: Problem) -> Any:
    """Return the response for a problem; `web` is `aiohttp.web`, or `light_web` for the control socket."""
    return web.Response(
        status=problem.status,
        body=json.dumps(problem.document).encode(),
        headers={**problem.headers, "Content-Type": PROBLEM_JSON},
    )


def malformed_response(web: Any, status: int) -> Any:
    """Return the response for a request that is not valid HTTP."""
    return problem_response(web, Problem(status, "the request is not valid HTTP"))


def not_found(path: str) -> Problem:
    """Return the problem for a path without a page."""
    return Problem(HTTPStatus.NOT_FOUND, f"there is no page at {path[:200]}")


def not_allowed(method: str, allowed: Iterable[str]) -> Problem:
    """Return the problem for a method that a page does not have."""
    possible = ", ".join(sorted(allowed))
    detail = f"{method} is not possible here; possible: {possible}"
    return Problem(HTTPStatus.METHOD_NOT_ALLOWED, detail, {"Allow": possible})
