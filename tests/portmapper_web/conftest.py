"""A fake daemon behind the real page, and what a browser would get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from html.parser import HTMLParser
from typing import Any

import attrs
import pytest
from status_documents import forty_one

from portmapper.api import WebLink, WebPanel, WebRequest, WebResponse
from portmapper.observability.summary import mappings_with_reason
from portmapper_web.pages import Page

EVENT = {
    "id": 1,
    "at": "2026-11-28T09:00:00+00:00",
    "event": "opened",
    "protocol": "TCP",
    "external_port": 8080,
    "internal_address": "192.168.88.10",
    "internal_port": 80,
    "backend": "pcp",
    "gateway": "192.168.88.1",
    "detail": "",
}


DEFAULTS = {"source": "/etc/portmapper/ports.csv", "lifetime": 3600, "retries_at": None, "remote": None}
"""Keys of a mapping that the documents of `status_documents` omit."""


class FakeView:
    """Implements `WebView` with documents that a test sets.

    Attributes:
        document: the status.
        events: the journal.
        calls: the requests so far: the action and its records.
        answers: the answers to actions.
        job: the diagnosis.
    """

    def __init__(self) -> None:
        self.document: dict[str, Any] = {**deepcopy(forty_one()), "problems": [], "faults": [], "error": None}
        for source in self.document["sources"]:
            source.setdefault("format", "csv")
        self.events: list[dict[str, Any]] = [EVENT]
        self.calls: list[tuple[str, Any]] = []
        self.answers: dict[str, Any] = {}
        self.job: dict[str, Any] = {"id": "job", "state": "running", "step": "asking", "findings": []}
        self.loaded: list[dict[str, Any]] = []
        self.added: list[WebPanel] = []

    async def status(self) -> dict[str, Any]:
        """Return the document."""
        return self.document

    async def mappings(self, status: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return its mappings with their reasons."""
        return [{**DEFAULTS, **mapping} for mapping in mappings_with_reason(status or self.document)]

    async def history(self, limit: int = 100, before: int | None = None) -> list[dict[str, Any]]:
        """Return events."""
        return [event for event in self.events if before is None or event["id"] < before][-limit:]

    async def open(self, records: Sequence[Mapping[str, object]]) -> Any:
        """Return the answer that the test has set."""
        return self._answer("open", records)

    async def close(self, records: Sequence[Mapping[str, object]]) -> Any:
        """Return the answer that the test has set."""
        return self._answer("close", records)

    async def pause(self, records: Sequence[Mapping[str, object]]) -> Any:
        """Return the answer that the test has set."""
        return self._answer("pause", records)

    async def resume(self, records: Sequence[Mapping[str, object]]) -> Any:
        """Return the answer that the test has set."""
        return self._answer("resume", records)

    async def reload(self) -> Any:
        """Return the answer that the test has set."""
        return self._answer("reload", None)

    async def start_doctor(self, options: Mapping[str, object]) -> Any:
        """Record the call."""
        self.calls.append(("doctor", options))
        return self.job

    async def doctor(self, job: str) -> Any:
        """Return the diagnosis."""
        return self.job

    def plugins(self) -> list[dict[str, Any]]:
        """Return the plugins that the test has set."""
        return self.loaded

    def links(self) -> list[WebLink]:
        """Return two pages."""
        return [WebLink("/", "Ports"), WebLink("/graph", "Graph")]

    async def panels(self, request: WebRequest) -> list[WebPanel]:
        """Return the panels that the test has set."""
        return self.added

    def _answer(self, action: str, records: Any) -> Any:
        self.calls.append((action, records))
        answer = self.answers[action]
        if isinstance(answer, Exception):
            raise answer
        return answer


@attrs.define
class Site:
    """The page and its fake daemon.

    Attributes:
        view: the daemon.
        page: the page.
    """

    view: FakeView
    page: Page

    async def get(self, path: str = "/", *, may_change: bool = False, **query: str) -> str:
        """Return the page as a visitor gets it."""
        request = WebRequest(
            path=path, query=query, may_change=may_change, signed_in=may_change, csrf_token="secret"
        )
        return text_of(await (self.page.live if path == "/live" else self.page.show)(request))

    async def ask(self, action: str, **query: str) -> str:
        """Return the question before an action."""
        request = WebRequest(parts={"action": action}, query=query, may_change=True, csrf_token="secret")
        return text_of(await self.page.ask(request))

    async def act(self, action: str, **form: str) -> str:
        """Carry out an action, and return the page with the result."""
        answer = await self.page.act(WebRequest(method="POST", parts={"action": action}, form=form))
        assert answer.status == 303
        return await self.get(may_change=True, result=answer.headers["Location"].partition("=")[2])


def text_of(answer: WebResponse) -> str:
    """Return the markup of an answer."""
    assert isinstance(answer.body, str)
    return answer.body


@pytest.fixture
def site() -> Site:
    """A page with 41 mappings, the last of which is refused."""
    view = FakeView()
    return Site(view, Page(view))


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found.append(data)


@pytest.fixture
def words() -> Any:
    """Return a function that returns the text of a page, as a screen reader reads it."""

    def words(markup: str) -> str:
        parser = _Words()
        parser.feed(markup)
        return " ".join(" ".join(parser.found).split())

    return words
