"""The pages of web plugins; whatever a plugin does, the visitor gets an answer and the daemon goes on."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any, TypeVar

from portmapper.api.errors import PluginFault, quoted
from portmapper.api.web import WebLink, WebPages, WebPanel, WebRequest, WebResponse, WebRoute, WebView
from portmapper.control.problems import Problem
from portmapper.http.access import CSRF_FIELD
from portmapper.http.bare_page import plain_page
from portmapper.http.forms import read_body, read_form
from portmapper.http.headers import nonce_of
from portmapper.http.visit import visit_of
from portmapper.pluginhost import guard
from portmapper.pluginhost.faults import record_fault

TAKEN = ("/v1", "/healthz", "/readyz", "/metrics", "/login", "/logout")
SECRET_HEADERS = ("authorization", "cookie", "proxy-authorization")

TIME_LIMIT = 10.0
"""Seconds for a page or a panel."""

COMPRESSED = ("text/", "application/json", "application/javascript", "image/svg")
SMALLEST_COMPRESSED = 1000

T = TypeVar("T")


class Pages:
    """The pages of all plugins.

    Attributes:
        links: the pages with a title.
    """

    def __init__(self, web: Any, kinds: Iterable[type[WebPages]], view: WebView) -> None:
        self._web = web
        self._pages = [pages for kind in kinds if (pages := _created(kind, view)) is not None]
        self.links: list[WebLink] = []

    def add_routes(self, application: Any) -> set[tuple[str, str]]:
        """Add the routes of all plugins, and return method and path of those that are public."""
        public = set()
        for pages in self._pages:
            for route in _routes_of(pages):
                try:
                    self._add(application, pages, route)
                except (ValueError, RuntimeError) as error:
                    record_fault(_name(pages), f"the route {route.path} is invalid: {error}")
                    continue
                public |= {(route.method, route.path)} if route.public else set()
        return public

    async def panels(self, request: WebRequest) -> list[WebPanel]:
        """Return the panels of all plugins; one that fails is omitted."""
        found = []
        for pages in self._pages:
            try:
                panel = await _call(pages, pages.panel(request), WebPanel, optional=True)
            except (PluginFault, TimeoutError):
                continue  # recorded
            if panel is not None:
                found.append(panel)
        return found

    async def login_page(self, request: Any, error: str) -> WebResponse:
        """Return the first login page that a plugin has, or else a plain one."""
        asked = await self.request_of(request)
        for pages in self._pages:
            try:
                page: WebResponse | None = await _call(
                    pages, pages.login_page(asked, error), WebResponse, optional=True
                )
            except (PluginFault, TimeoutError):
                continue  # recorded
            if page is not None:
                return page
        return plain_page(asked, error)

    async def request_of(self, request: Any) -> WebRequest:
        """Return what a plugin sees of a request."""
        visitor, form = visit_of(request).visitor, await read_form(request)
        return WebRequest(
            method=request.method,
            path=request.path,
            parts=dict(request.match_info),
            query=_first(request.query),
            form={name: value for name, value in form.items() if name != CSRF_FIELD},
            document=await _document(request),
            headers={
                name.lower(): value
                for name, value in request.headers.items()
                if name.lower() not in SECRET_HEADERS
            },
            signed_in=visitor.token is not None,
            may_change=visitor.may_change,
            csrf_token=visitor.csrf_token,
            nonce=nonce_of(request),
        )

    def send(self, request: Any, page: WebResponse) -> Any:
        """Return the response of the server for that of a plugin."""
        body = page.body.encode() if isinstance(page.body, str) else page.body
        response = self._web.Response(
            body=body, status=page.status, headers={**page.headers, "Content-Type": page.content_type}
        )
        if len(body) >= SMALLEST_COMPRESSED and page.content_type.startswith(COMPRESSED):
            response.enable_compression()
        return response

    def _add(self, application: Any, pages: WebPages, route: WebRoute) -> None:
        if f"{route.path}/".startswith(tuple(f"{path}/" for path in TAKEN)):
            raise ValueError("the daemon has this path")
        if route.method not in ("GET", "POST"):
            raise ValueError("the method is neither GET nor POST")

        async def handle(request: Any) -> Any:
            asked = await self.request_of(request)
            try:
                return self.send(request, await _call(pages, route.handler(asked), WebResponse))
            except (PluginFault, TimeoutError) as error:
                raise Problem(500, f"the page failed: {error}") from error
            except (AttributeError, TypeError, ValueError) as error:
                raise Problem(500, str(record_fault(_name(pages), error))) from error

        add = application.router.add_get if route.method == "GET" else application.router.add_post
        add(route.path, handle)
        if route.title:
            self.links.append(WebLink(route.path, route.title))


def _created(kind: type[WebPages], view: WebView) -> WebPages | None:
    try:
        return kind(view)
    except Exception as error:
        record_fault(f"web:{kind.name}", error)
        return None


def _routes_of(pages: WebPages) -> Sequence[WebRoute]:
    try:
        routes = list(pages.routes())
    except Exception as error:
        record_fault(_name(pages), error)
        return ()
    wrong = [route for route in routes if not isinstance(route, WebRoute)]
    if wrong:
        record_fault(_name(pages), f"routes returned {quoted(wrong[0])}")
        return ()
    return routes


async def _call(pages: WebPages, call: Awaitable[Any], kind: type[T], *, optional: bool = False) -> Any:
    """Return the answer of a plugin.

    Raises:
        PluginFault: it failed, or answered with something else.
        TimeoutError: it took too long.
        PortmapperError: it refused the request.
    """
    answer = await guard.run(_name(pages), call, TIME_LIMIT)
    if isinstance(answer, kind) or (optional and answer is None):
        return answer
    raise record_fault(_name(pages), f"it returned {quoted(answer)}")


async def _document(request: Any) -> Any:
    """Return the JSON document of a body; None if it is something else."""
    if request.content_type != "application/json" or not request.can_read_body:
        return None
    try:
        return json.loads(await read_body(request))
    except (ValueError, RecursionError):
        raise Problem(400, "the body is not JSON") from None


def _first(query: Any) -> dict[str, str]:
    return {name: query[name] for name in query}


def _name(pages: WebPages) -> str:
    return f"web:{pages.name}"
