"""What the HTTP API needs of a daemon."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from portmapper.api.events import Event
    from portmapper.api.metrics import MetricsPage

Document = dict[str, Any]


class DaemonInterface(Protocol):
    """The methods of a daemon that the API calls.

    Attributes:
        web_address: the URL of its listener for HTTP, set by that listener; None without one.
    """

    web_address: str | None

    @property
    def last_event_id(self) -> int:
        """The id of the latest event; inside of a listener, that of its event."""

    def status(self) -> Document:
        """Return the status document."""

    async def status_in_slices(self) -> Document:
        """Return the status document; other work continues while it is built."""

    def not_ready(self) -> list[str]:
        """Return why the daemon is not ready; empty if a gateway answers and the lists were read."""

    def history(self, limit: int, before: int | None = None, after: int = 0) -> list[Document]:
        """Return the latest `limit` events, oldest first.

        Args:
            limit: the number of events.
            before: only events with a smaller id.
            after: only events with a greater id.
        """

    async def metrics(self) -> MetricsPage | None:
        """Return the metrics page of an observer; None if no observer has one."""

    async def reload_and_wait(self) -> Document:
        """Reload the settings, read the sources, and return them. Raises `UsageError`."""

    def stop(self) -> None:
        """Stop the run in order."""

    async def open(self, records: object) -> Document:
        """Keep these mappings open until `close`. Raises `UsageError`."""

    async def close(self, records: object) -> Document:
        """Close ports that `open` requested. Raises `UsageError`."""

    async def pause(self, records: object) -> Document:
        """Close rows of lists until they are resumed. Raises `UsageError`."""

    async def resume(self, records: object) -> Document:
        """Open paused rows again. Raises `UsageError`."""

    def listen(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with each event; return a function that removes the listener."""
