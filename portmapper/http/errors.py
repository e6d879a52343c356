"""Errors as problem documents, and for browsers as a page or the way to the login."""

from __future__ import annotations

from html import escape
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from portmapper.control.problems import Problem, not_allowed, not_found, problem_of, problem_response
from portmapper.http.access import SAFE
from portmapper.http.bare_page import PATH, bare_page


def errors_as_problems(web: Any) -> Any:
    """Return a middleware that answers errors."""

    @web.middleware  # type: ignore[untyped-decorator]
    async def middleware(request: Any, handler: Any) -> Any:
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.status < HTTPStatus.BAD_REQUEST:
                raise
            problem = _of_library(error, request)
        except ConnectionError:
            raise  # the client left
        except Exception as error:
            problem = problem_of(error, request.path)
        return await show_problem(web, request, problem)

    return middleware


async def show_problem(web: Any, request: Any, problem: Problem) -> Any:
    """Return the response for a problem, in the form that the client can show."""
    if request.path.startswith("/v1/") or "text/html" not in request.headers.get("Accept", ""):
        return problem_response(web, problem)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        target = request.path_qs if request.method in SAFE else "/"
        return web.Response(status=303, headers={"Location": f"{PATH}?next={quote(target, safe='/')}"})
    page = bare_page(problem.title, f'<p>{escape(problem.detail)}</p><p><a href="/">Back</a></p>')
    return web.Response(status=problem.status, text=page, content_type="text/html", headers=problem.headers)


def _of_library(error: Any, request: Any) -> Problem:
    """Return the problem for an error that aiohttp raised."""
    if error.status == HTTPStatus.NOT_FOUND:
        return not_found(request.path)
    if error.status == HTTPStatus.METHOD_NOT_ALLOWED:
        return not_allowed(request.method, error.allowed_methods)
    return Problem(error.status, (error.text or error.reason).partition("\n")[0])
