"""What pages see of the daemon: the documents of the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from portmapper.api.web import WebLink, WebPanel, WebRequest
from portmapper.control.daemon_interface import DaemonInterface, Document
from portmapper.control.doctor_jobs import DoctorJobs
from portmapper.observability.summary import mappings_with_reason, summary_document

if TYPE_CHECKING:
    from portmapper.pluginhost.manager import Plugins

Records = Sequence[Mapping[str, object]]


class AllPages(Protocol):
    """The pages of all plugins."""

    links: list[WebLink]

    async def panels(self, request: WebRequest) -> list[WebPanel]:
        """Return their panels."""


class View:
    """Implements `portmapper.api.WebView` with the daemon."""

    def __init__(
        self, daemon: DaemonInterface, jobs: DoctorJobs, plugins: Plugins, pages: Callable[[], AllPages]
    ) -> None:
        """Show one daemon; `pages` returns the pages of all plugins, which are created with this view."""
        self._daemon = daemon
        self._jobs = jobs
        self._plugins = plugins
        self._pages = pages

    async def status(self) -> Document:
        """Return the status document."""
        return await self._daemon.status_in_slices()

    async def summary(self) -> Document:
        """Return the summary."""
        return summary_document(await self._daemon.status_in_slices())

    async def mappings(self, status: Document | None = None) -> list[Document]:
        """Return the mappings with their reasons."""
        return mappings_with_reason(await self.status() if status is None else status)

    async def history(self, limit: int = 100, before: int | None = None) -> list[Document]:
        """Return events of the journal."""
        return self._daemon.history(limit, before=before)

    async def open(self, records: Records) -> Document:
        """Open ports."""
        return await self._daemon.open(list(records))

    async def close(self, records: Records) -> Document:
        """Close ports."""
        return await self._daemon.close(list(records))

    async def pause(self, records: Records) -> Document:
        """Pause ports."""
        return await self._daemon.pause(list(records))

    async def resume(self, records: Records) -> Document:
        """Resume ports."""
        return await self._daemon.resume(list(records))

    async def reload(self) -> Document:
        """Reload the settings and the lists."""
        return {"reloading": True, **await self._daemon.reload_and_wait()}

    async def start_doctor(self, options: Mapping[str, object]) -> Document:
        """Start a diagnosis."""
        return self._jobs.start(dict(options))

    async def doctor(self, job: str) -> Document:
        """Return a diagnosis."""
        return self._jobs.document(job)

    def plugins(self) -> list[dict[str, Any]]:
        """Return the plugins."""
        return [attrs.asdict(report) for report in self._plugins.reports]

    def links(self) -> list[WebLink]:
        """Return the links to pages."""
        return self._pages().links

    async def panels(self, request: WebRequest) -> list[WebPanel]:
        """Return the panels."""
        return await self._pages().panels(request)
