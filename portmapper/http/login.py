"""The login page, and the end of a session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from portmapper.api.web import WebResponse
from portmapper.control.problems import Problem
from portmapper.http.access import COOKIE, SECURE_COOKIE, Access, cookie_name
from portmapper.http.bare_page import FIELD, PATH
from portmapper.http.forms import read_form
from portmapper.http.sessions import LIFETIME
from portmapper.http.visit import visit_of

MAX_NEXT = 1000

Page = Callable[[Any, str], Awaitable[WebResponse]]
"""Makes the login page from the request and the error."""

Send = Callable[[Any, WebResponse], Any]
"""Makes the response of the server from that of a page."""


class Login:
    """Handles `/login` and `/logout`."""

    def __init__(self, access: Access, web: Any, page: Page, send: Send) -> None:
        self._access = access
        self._web = web
        self._page = page
        self._send = send

    async def show(self, request: Any) -> Any:
        """Answer `GET /login`."""
        if visit_of(request).visitor.token is not None:
            return self._redirect(safe_path(request.query.get("next", "")))
        return self._send(request, await self._page(request, ""))

    async def log_in(self, request: Any) -> Any:
        """Answer `POST /login`: begin a session, or show the page with the error."""
        form = await read_form(request)
        error, status, headers = "", 200, {}
        try:
            self._access.refuse_if_too_many(visit_of(request).client)
        except Problem as problem:
            error, status, headers = problem.detail, problem.status, problem.headers
        else:
            token = self._access.tokens.find(form.get(FIELD, "").strip())
            if token is not None:
                return self._begin(request, self._access.sessions.begin(token), form.get("next", ""))
            self._access.limit.fail(visit_of(request).client)
            error, status = "this token is not valid", 401
        response = self._send(request, await self._page(request, error))
        response.set_status(status)
        response.headers.update(headers)
        return response

    async def log_out(self, request: Any) -> Any:
        """Answer `POST /logout`."""
        self._access.sessions.end(visit_of(request).visitor.cookie)
        response = self._redirect(PATH)
        for name in (COOKIE, SECURE_COOKIE):
            response.del_cookie(name, path="/", secure=name == SECURE_COOKIE)
        return response

    def _begin(self, request: Any, cookie: str, target: str) -> Any:
        response = self._redirect(safe_path(target))
        name = cookie_name(visit_of(request))
        response.set_cookie(
            name,
            cookie,
            max_age=LIFETIME,
            path="/",
            secure=name == SECURE_COOKIE,
            httponly=True,
            samesite="Strict",
        )
        return response

    def _redirect(self, target: str) -> Any:
        return self._web.Response(status=303, headers={"Location": target})


def safe_path(target: str) -> str:
    """Return a path of this listener: never another host, which `//host` or `/\\host` would be."""
    is_path = target.startswith("/") and not target.startswith(("//", "/\\")) and len(target) <= MAX_NEXT
    return target if is_path and target.isprintable() and target.isascii() else "/"
