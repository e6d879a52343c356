"""The contract of web plugins: tests that all pages and panels must pass."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import attrs
import pytest

from portmapper.api.errors import UsageError
from portmapper.api.web import WebPanel, WebRequest, WebResponse, WebRoute
from portmapper.testing.calls import SOON, check_name, leaving_nothing, outcome
from portmapper.testing.subjects import WebSubject

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\x00\u202e" * 3
TAKEN = ("/v1", "/healthz", "/readyz", "/metrics", "/logout")


class WebContract:
    """Tests of pages and panels. Override the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> WebSubject:
        """Return the pages, and values for the parts of their paths."""
        raise NotImplementedError("override the fixture `subject` in your class")

    def test_it_has_a_name(self, subject: WebSubject) -> None:
        """`status` shows it if the plugin fails."""
        check_name(subject.pages.name)

    def test_its_paths_are_valid_and_free(self, subject: WebSubject) -> None:
        """Each begins with a slash, belongs to no part of the daemon, and is there once for each method."""
        routes = list(subject.pages.routes())
        assert all(route.path.startswith("/") and route.method in ("GET", "POST") for route in routes)
        taken = tuple(f"{path}/" for path in TAKEN)
        assert not [route.path for route in routes if f"{route.path}/".startswith(taken)]
        assert len({(route.method, route.path) for route in routes}) == len(routes)

    @pytest.mark.asyncio
    async def test_every_page_answers(self, subject: WebSubject) -> None:
        """A visitor who may only read gets each page too."""
        async with leaving_nothing():
            for request in (WebRequest(), VISITOR):
                for route in subject.pages.routes():
                    if route.method == "GET":
                        await _answer(subject, route, request)

    @pytest.mark.asyncio
    async def test_hostile_input_is_an_error_or_text(self, subject: WebSubject) -> None:
        """In the path, the query and the form."""
        for route in subject.pages.routes():
            parts = dict.fromkeys(subject.parts, HOSTILE)
            fields = dict.fromkeys(("q", "next", "port", *subject.parts), HOSTILE)
            request = _request(route, VISITOR, parts, query=fields, form=fields)
            answer = await outcome(route.handler(request), UsageError, SOON)
            if isinstance(answer, WebResponse):
                _check_response(answer)

    @pytest.mark.asyncio
    async def test_the_panel_is_a_fragment(self, subject: WebSubject) -> None:
        """It has no script, no inline style and no handler, which the daemon's policy would block."""
        panel = await subject.pages.panel(VISITOR)
        assert panel is None or isinstance(panel, WebPanel)
        if panel is not None:
            _check_markup(panel.html)
            assert "<html" not in panel.html.lower()

    @pytest.mark.asyncio
    async def test_the_login_page_has_one_visible_field(self, subject: WebSubject) -> None:
        """It is `token`."""
        answer = await subject.pages.login_page(WebRequest(path="/login", query={"next": HOSTILE}), HOSTILE)
        if answer is not None:
            _check_response(answer)
            fields = _Tags(_text(answer)).fields
            assert [name for name, kind in fields if kind != "hidden"] == ["token"]


VISITOR = WebRequest(signed_in=True, may_change=True, csrf_token="csrf", nonce="nonce")


class _Tags(HTMLParser):
    """Collects the tags of a page.

    Attributes:
        tags: each tag with its attributes.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Keep the tag."""
        self.tags.append((tag, dict(attributes)))

    @property
    def fields(self) -> list[tuple[str | None, str]]:
        """Name and type of each input."""
        return [(found.get("name"), _kind(found)) for tag, found in self.tags if tag == "input"]


def _kind(attributes: Mapping[str, str | None]) -> str:
    """Return the type of an input; the attribute `hidden` hides any."""
    return "hidden" if "hidden" in attributes else attributes.get("type") or "text"


async def _answer(subject: WebSubject, route: WebRoute, visitor: WebRequest) -> None:
    answer = await outcome(route.handler(_request(route, visitor, subject.parts)), UsageError, SOON)
    assert isinstance(answer, WebResponse), f"{route.path}: {answer!r}"
    _check_response(answer)


def _request(route: WebRoute, visitor: WebRequest, parts: Mapping[str, str], **fields: Any) -> WebRequest:
    path = route.path
    for name, value in parts.items():
        path = path.replace(f"{{{name}}}", value)
    return attrs.evolve(visitor, method=route.method, path=path, parts=parts, **fields)


def _check_response(answer: WebResponse) -> None:
    assert 200 <= answer.status < 600
    assert not any("\n" in f"{name}{value}" for name, value in answer.headers.items())
    if answer.content_type.startswith("text/html"):
        _check_markup(_text(answer))


def _text(answer: WebResponse) -> str:
    return answer.body.decode() if isinstance(answer.body, bytes) else answer.body


def _check_markup(text: str) -> None:
    """Assert that the policy of the daemon blocks nothing in it, and that no text became a tag."""
    for tag, attributes in _Tags(text).tags:
        assert "style" not in attributes, f"<{tag}> has an inline style"
        assert not [name for name in attributes if name.startswith("on")], f"<{tag}> has a handler"
        if tag in ("script", "style"):
            assert attributes.get("src") or attributes.get("nonce"), f"<{tag}> is inline and has no nonce"
        for name in ("src", "href", "action"):
            target = attributes.get(name) or ""
            assert name == "href" or not target.startswith(("http:", "https:", "//")), (
                f"{target} is elsewhere"
            )
