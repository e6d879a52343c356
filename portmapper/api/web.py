"""The web interface: pages and panels of plugins, and what they see of the daemon."""

from __future__ import annotations

import abc
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import attrs

Document = dict[str, Any]

HTML = "text/html; charset=utf-8"


@attrs.frozen
class WebRequest:
    """A request that has passed every check of the daemon: host, origin, login and CSRF token.

    Attributes:
        method: `GET` or `POST`.
        path: the decoded path.
        parts: the part of the path for each `{NAME}` of the route.
        query: the fields of the query.
        form: the fields of a submitted form, without the CSRF token.
        document: the JSON document of the body; None if there is none.
        headers: the headers by lower-case name, without those that hold secrets.
        signed_in: the visitor logged in, or sent a token.
        may_change: the visitor may open, close, pause, reload and so on.
        csrf_token: what each form must send as `csrf_token`, and each script as `X-CSRF-Token`, also to
            log out; empty if the visitor did not log in.
        nonce: the value of `nonce` for a `<script>` or `<style>` in the page. A script that is a file of its
            own needs none.
    """

    method: str = "GET"
    path: str = "/"
    parts: Mapping[str, str] = attrs.field(factory=dict)
    query: Mapping[str, str] = attrs.field(factory=dict)
    form: Mapping[str, str] = attrs.field(factory=dict)
    document: Any = None
    headers: Mapping[str, str] = attrs.field(factory=dict)
    signed_in: bool = False
    may_change: bool = False
    csrf_token: str = ""
    nonce: str = ""


@attrs.frozen
class WebResponse:
    """The answer to a request. The daemon adds the headers for security.

    Attributes:
        body: the content; text is sent as UTF-8.
        status: the HTTP status.
        content_type: the media type.
        headers: further headers, such as `Location` or `Cache-Control`.
    """

    body: str | bytes = ""
    status: int = 200
    content_type: str = HTML
    headers: Mapping[str, str] = attrs.field(factory=dict)


WebHandler = Callable[[WebRequest], Awaitable[WebResponse]]


@attrs.frozen
class WebRoute:
    """One path that a plugin answers.

    Attributes:
        path: such as `/` or `/static/{file}`; each `{NAME}` is one part of the path.
        handler: answers a request. It raises `UsageError` if the request is invalid.
        method: `GET`, which must change nothing, or `POST`.
        title: the text of a link to the page on other pages; empty for no link.
        public: answered without a login on every address, such as a style sheet of the login page.
    """

    path: str
    handler: WebHandler
    method: str = "GET"
    title: str = ""
    public: bool = False


@attrs.frozen
class WebLink:
    """A link to a page of a plugin.

    Attributes:
        path: its path.
        title: its text.
    """

    path: str
    title: str


@attrs.frozen
class WebPanel:
    """A part of the first page, provided by another plugin.

    Attributes:
        title: its heading, as text.
        html: its content. The plugin escapes everything that it does not write itself.
    """

    title: str
    html: str


class WebView(Protocol):
    """What pages see of the daemon: the documents of the [HTTP API](../http-api.md), and the same requests.

    Each method may raise `UsageError`, if the request is invalid, or another `PortmapperError`.
    """

    async def status(self) -> Document:
        """Return `/v1/status`."""

    async def summary(self) -> Document:
        """Return `/v1/summary`."""

    async def mappings(self, status: Document | None = None) -> list[Document]:
        """Return `/v1/mappings`: those of a `status`, or of the current one, with `reason` if not open."""

    async def history(self, limit: int = 100, before: int | None = None) -> list[Document]:
        """Return `/v1/history`: events, the oldest first; `before` is the `id` of a later event."""

    async def open(self, records: Sequence[Mapping[str, object]]) -> Document:
        """Keep ports open until they are closed, as `POST /v1/open`."""

    async def close(self, records: Sequence[Mapping[str, object]]) -> Document:
        """Close ports that `open` requested, as `POST /v1/close`."""

    async def pause(self, records: Sequence[Mapping[str, object]]) -> Document:
        """Close ports of a list until they are resumed, as `POST /v1/pause`."""

    async def resume(self, records: Sequence[Mapping[str, object]]) -> Document:
        """Open paused ports again, as `POST /v1/resume`."""

    async def reload(self) -> Document:
        """Reload the settings and the lists, as `POST /v1/reload`."""

    async def start_doctor(self, options: Mapping[str, object]) -> Document:
        """Start a diagnosis and return its `id`, as `POST /v1/doctor`."""

    async def doctor(self, job: str) -> Document:
        """Return progress and result of a diagnosis, as `GET /v1/doctor/ID`."""

    def plugins(self) -> list[Document]:
        """Return the plugins and what they provide, as `portmapper plugins --json`."""

    def links(self) -> list[WebLink]:
        """Return the pages with a title, of all plugins."""

    async def panels(self, request: WebRequest) -> list[WebPanel]:
        """Return the panels of all plugins."""


class WebPages(abc.ABC):
    """Pages, and a panel, of the daemon's web interface. One object is created when the listener starts.

    Attributes:
        name: unique among the web plugins.
        settings: optional attrs class; then an object of it is passed to the constructor.
    """

    name: ClassVar[str]

    def __init__(self, view: WebView) -> None:
        self.view = view

    def routes(self) -> Sequence[WebRoute]:
        """Return the paths that it answers, except `/v1`, `/healthz`, `/readyz`, `/metrics`, `/logout`."""
        return ()

    async def panel(self, request: WebRequest) -> WebPanel | None:
        """Return a panel for the first page; None for no panel."""
        return None

    async def login_page(self, request: WebRequest, error: str) -> WebResponse | None:
        """Return the page with the form for `POST /login`, whose one visible field is `token`.

        None for the plain page of the core. `error` is why the last login failed, or empty. Send the hidden
        field `next` of `request.query` along, so that the visitor gets to the page that asked for the login.
        """
        return None
