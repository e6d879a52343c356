"""A daemon without mappings, for tests of pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from portmapper.api.web import WebPanel, WebRequest
from portmapper.observability.summary import mappings_with_reason, summary_document

EMPTY: Mapping[str, Any] = {
    "version": "0",
    "pid": 1,
    "started_at": "2026-01-01T00:00:00+00:00",
    "gateways": [],
    "mappings": [],
    "sources": [],
    "problems": [],
    "faults": [],
    "error": None,
}

_JOB = {
    "id": "1",
    "started_at": EMPTY["started_at"],
    "ended_at": None,
    "step": "",
    "findings": [],
    "error": None,
}


class FakeView:
    """A daemon without mappings, whose documents a test may replace.

    Attributes:
        document: what `status` returns.
        calls: name and arguments of each request for a change.
    """

    def __init__(self, document: Mapping[str, Any] | None = None) -> None:
        self.document: dict[str, Any] = {**EMPTY, **(document or {})}
        self.calls: list[tuple[str, Any]] = []

    async def status(self) -> dict[str, Any]:
        """Return the document."""
        return self.document

    async def summary(self) -> dict[str, Any]:
        """Count the mappings of the document."""
        return summary_document(self.document)

    async def mappings(self, status: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return the mappings of the document."""
        return mappings_with_reason(self.document if status is None else status)

    async def history(self, limit: int = 100, before: int | None = None) -> list[dict[str, Any]]:
        """Return no events."""
        return []

    async def open(self, records: Sequence[Mapping[str, object]]) -> dict[str, Any]:
        """Note the request."""
        self.calls.append(("open", records))
        return self.document

    async def close(self, records: Sequence[Mapping[str, object]]) -> dict[str, Any]:
        """Note the request."""
        self.calls.append(("close", records))
        return {"ports": []}

    async def pause(self, records: Sequence[Mapping[str, object]]) -> dict[str, Any]:
        """Note the request."""
        self.calls.append(("pause", records))
        return {"ports": []}

    async def resume(self, records: Sequence[Mapping[str, object]]) -> dict[str, Any]:
        """Note the request."""
        self.calls.append(("resume", records))
        return {"ports": []}

    async def reload(self) -> dict[str, Any]:
        """Note the request."""
        self.calls.append(("reload", None))
        return {"reloading": True, "sources": []}

    async def start_doctor(self, options: Mapping[str, object]) -> dict[str, Any]:
        """Note the request."""
        self.calls.append(("doctor", options))
        return {**_JOB, "state": "running"}

    async def doctor(self, job: str) -> dict[str, Any]:
        """Return a finished diagnosis."""
        return {**_JOB, "id": job, "state": "done"}

    def plugins(self) -> list[dict[str, Any]]:
        """Return no plugins."""
        return []

    def links(self) -> list[Any]:
        """Return no links."""
        return []

    async def panels(self, request: WebRequest) -> list[WebPanel]:
        """Return no panels."""
        return []
