"""Pages and panels of plugins, behind the real listener."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Sequence
from typing import Any

import pytest

from portmapper.api import UsageError, WebPages, WebPanel, WebRequest, WebResponse, WebRoute
from portmapper.http import pages
from portmapper.pluginhost.faults import FAULTS

FORM = "application/x-www-form-urlencoded"


class Porch(WebPages):
    """A page for each kind of answer."""

    name = "porch"

    def routes(self) -> Sequence[WebRoute]:
        """Return the routes."""
        return [
            WebRoute("/", self.first, title="Ports"),
            WebRoute("/item/{name}", self.item),
            WebRoute("/change", self.change, method="POST"),
            WebRoute("/style.css", self.style, public=True),
            WebRoute("/broken", self.broken),
            WebRoute("/slow", self.slow),
            WebRoute("/wrong", self.wrong),
            WebRoute("/header", self.header),
            WebRoute("/refused", self.refused),
        ]

    async def first(self, request: WebRequest) -> WebResponse:
        """Show the panels and links of all plugins."""
        panels = [panel.title for panel in await self.view.panels(request)]
        links = [link.path for link in self.view.links()]
        return WebResponse(f"{panels} {links} {request.nonce} {request.csrf_token} {request.may_change}")

    async def item(self, request: WebRequest) -> WebResponse:
        """Show what the request contains."""
        return WebResponse(
            repr((request.parts, request.query, sorted(request.headers))), content_type="text/plain"
        )

    async def change(self, request: WebRequest) -> WebResponse:
        """Open a port and go back."""
        await self.view.open([{"port": request.form["port"], "protocol": "tcp"}])
        return WebResponse(status=303, headers={"Location": "/"})

    async def style(self, request: WebRequest) -> WebResponse:
        """Return a long style sheet."""
        return WebResponse("a{}" * 1000, content_type="text/css", headers={"Cache-Control": "max-age=60"})

    async def broken(self, request: WebRequest) -> WebResponse:
        """Fail."""
        raise KeyError("oops")

    async def slow(self, request: WebRequest) -> WebResponse:
        """Never answer."""
        await asyncio.Event().wait()
        raise AssertionError

    async def wrong(self, request: WebRequest) -> Any:
        """Return something else."""
        return "text"

    async def header(self, request: WebRequest) -> WebResponse:
        """Return a body that is no text."""
        return WebResponse(7)  # type: ignore[arg-type]

    async def refused(self, request: WebRequest) -> WebResponse:
        """Refuse the request."""
        raise UsageError("<b>no</b>")

    async def panel(self, request: WebRequest) -> WebPanel:
        """Return a panel."""
        return WebPanel("Porch", "<p>open</p>")


class Broken(WebPages):
    """Fails in every method."""

    name = "broken"

    def routes(self) -> Sequence[WebRoute]:
        """Return a path of the daemon."""
        return [WebRoute("/v1/status", self.nothing), WebRoute("nothing", self.nothing)]

    async def nothing(self, request: WebRequest) -> WebResponse:
        """Return nothing."""
        return WebResponse()

    async def panel(self, request: WebRequest) -> WebPanel | None:
        """Fail."""
        raise ValueError("no panel")

    async def login_page(self, request: WebRequest, error: str) -> WebResponse | None:
        """Fail."""
        raise ValueError("no page")


class Unborn(WebPages):
    """Cannot be created."""

    name = "unborn"

    def __init__(self, view: Any) -> None:
        raise ValueError("not today")


class Door(WebPages):
    """Has a login page."""

    name = "door"

    async def login_page(self, request: WebRequest, error: str) -> WebResponse | None:
        """Return it."""
        return WebResponse(f"door {error} {request.query.get('next')}")


@pytest.fixture
async def porch(listening: Any) -> Any:
    """A listener with the pages of three plugins, two of which fail."""
    async with listening(pages=(Broken, Unborn, Porch)) as site:
        yield site


async def test_a_page_shows_panels_and_links_of_all_plugins(porch: Any) -> None:
    """Those of a broken plugin are omitted, and its faults are recorded."""
    answer = await porch.get("/")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.body.startswith(b"['Porch'] ['/'] ")
    faults = {fault["plugin"]: fault["error"] for fault in FAULTS.document()}
    assert faults == {"web:broken": "ValueError: no panel", "web:unborn": "ValueError: not today"}


async def test_the_policy_allows_the_nonce_of_the_page_only(porch: Any) -> None:
    """It differs for each request."""
    nonces = set()
    for _ in range(2):
        answer = await porch.get("/")
        (nonce,) = set(re.findall(r"'nonce-([\w-]+)'", answer.headers["content-security-policy"]))
        assert nonce in answer.body.decode()
        nonces.add(nonce)
    assert len(nonces) == 2


async def test_a_form_changes_something_with_the_csrf_token_only(porch: Any, csrf_of: Any) -> None:
    """The handler does not see the token, and reads the other fields."""
    cookie = (await porch.log_in(porch.bearer().split()[1])).cookie
    assert (await porch.send("POST", "/change", "port=80", cookie=cookie, content_type=FORM)).status == 403
    assert (await porch.send("POST", "/change", "port=80", content_type=FORM)).status == 401
    body = f"port=80&csrf_token={csrf_of(cookie)}"
    answer = await porch.send("POST", "/change", body, cookie=cookie, content_type=FORM)
    assert (answer.status, answer.headers["location"]) == (303, "/")
    assert csrf_of(cookie).encode() in (await porch.get("/", cookie=cookie)).body


async def test_a_handler_sees_the_request_without_its_secrets(porch: Any) -> None:
    """Parts of the path and the query are decoded."""
    answer = await porch.get("/item/a%3Cb?q=1%202", cookie="a=b", authorization=porch.bearer())
    assert answer.body.decode().startswith("({'name': 'a<b'}, {'q': '1 2'}, ")
    assert "cookie" not in answer.body.decode()
    assert "authorization" not in answer.body.decode()


@pytest.mark.parametrize("path", ["/broken", "/slow", "/wrong", "/header"])
async def test_a_page_that_fails_is_an_error_page(
    porch: Any, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`status` shows the fault; other pages work."""
    with monkeypatch.context() as context:
        context.setattr(pages, "TIME_LIMIT", 0.1)
        answer = await porch.get(path, accept="text/html")
    assert (answer.status, answer.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert "web:porch" in {fault["plugin"] for fault in FAULTS.document()}
    assert (await porch.get("/")).status == 200


async def test_a_refused_request_is_a_problem_with_its_text(porch: Any) -> None:
    """Never as markup."""
    answer = await porch.get("/refused", accept="text/html")
    assert (answer.status, b"&lt;b&gt;no&lt;/b&gt;" in answer.body) == (400, True)
    assert (await porch.get("/refused")).document["detail"] == "<b>no</b>"


async def test_long_text_is_compressed(porch: Any) -> None:
    """If the client accepts it; headers of the plugin are kept."""
    answer = await porch.get("/style.css", accept_encoding="gzip")
    assert (answer.headers["content-encoding"], answer.headers["cache-control"]) == ("gzip", "max-age=60")
    assert gzip.decompress(answer.body) == b"a{}" * 1000


async def test_only_public_pages_need_no_login_on_another_address(listening: Any) -> None:
    """The login page may need a style sheet."""
    async with listening("0.0.0.0", pages=(Porch, Door)) as site:
        assert (await site.get("/style.css")).status == 200
        assert (await site.get("/", accept="text/html")).headers["location"] == "/login?next=/"
        assert (await site.get("/login?next=/x")).body == b"door  /x"
        wrong = await site.log_in("x")
        assert (wrong.status, wrong.body) == (401, b"door this token is not valid None")
