"""Errors for browsers: a page instead of a problem document, or the way to the login."""

from __future__ import annotations

from html import escape
from typing import Any
from urllib.parse import quote

from portmapper.control.problems import Problem, problem_response
from portmapper.http.access import SAFE
from portmapper.http.bare_page import PATH, bare_page

UNAUTHORIZED = 401


async def show_problem(web: Any, request: Any, problem: Problem) -> Any:
    """Return the response for a problem, in the form that the client can show."""
    if request.path.startswith("/v1/") or "text/html" not in request.headers.get("Accept", ""):
        return problem_response(web, problem)
    if problem.status == UNAUTHORIZED:
        target = request.path_qs if request.method in SAFE else "/"
        return web.Response(status=303, headers={"Location": f"{PATH}?next={quote(target, safe='/')}"})
    page = bare_page(problem.title, f'<p>{escape(problem.detail)}</p><p><a href="/">Back</a></p>')
    return web.Response(status=problem.status, text=page, content_type="text/html", headers=problem.headers)
