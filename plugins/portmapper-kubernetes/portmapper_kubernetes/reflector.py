"""Keeps a copy of one kind of object: list, then watch from the list's version."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from portmapper_kubernetes.api_errors import FORBIDDEN, GONE, NOT_FOUND, TOO_LARGE, ApiFailure

if TYPE_CHECKING:
    from portmapper_kubernetes.api_server import ApiServer

T = TypeVar("T")

MAX_OBJECTS = 20_000
"""Objects that are kept of one kind; the rest is ignored, so that memory is bounded."""

PAGE = 250
"""Objects in one answer of a list."""

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0

MANY_FAILURES = 5
"""After so many refusals, a kind that we may not read is given up for the first read."""

SILENCE = 15.0
"""Seconds without an event or a bookmark, after which the watch begins again from its last version.

A server sends a bookmark about once a minute only, so silence alone is no error. A new watch from the same
version is cheap, and finds out within seconds whether the old connection was dead.
"""

_log = logging.getLogger(__name__)


class Reflector(Generic[T]):
    """The objects of one kind.

    Attributes:
        items: what `read` returned for each object, by `namespace/name`.
        synced: set once the first list is complete.
        settled: set once the first list is complete, or is not to be expected: the kind is not installed, or
            we may not read it. A server that has just started refuses for a moment, so one refusal means
            nothing.
        error: why the copy may be old; empty if it is up to date.
    """

    def __init__(
        self,
        server: ApiServer,
        path: str,
        read: Callable[[dict[str, Any]], T | None],
        changed: Callable[[], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Request nothing yet.

        Args:
            server: the API server.
            path: path of the collection, such as `api/v1/services`.
            read: reduces an object to what is needed, or returns None to ignore it.
            changed: called when an item changed.
            sleep: waits between two attempts.
        """
        self.items: dict[str, T] = {}
        self.synced = asyncio.Event()
        self.settled = asyncio.Event()
        self.error = ""
        self._server = server
        self._path = path
        self._read = read
        self._changed = changed
        self._sleep = sleep
        self._version = ""
        self._failures = 0
        self._page = PAGE

    async def run(self) -> None:
        """Follow the objects until canceled; errors are logged once and retried."""
        while True:
            try:
                await self._list()
                while True:
                    await self._watch()
            except ApiFailure as failure:
                await self._pause(failure)

    async def _pause(self, failure: ApiFailure) -> None:
        if failure.status != GONE and self.error != str(failure):
            self.error = str(failure)
            _log.warning("%s: %s; trying again", self._path, failure)
        is_final = failure.status == FORBIDDEN and self._failures >= MANY_FAILURES
        if (failure.status == NOT_FOUND or is_final) and not self.settled.is_set():
            self.settled.set()
            self._changed()
        if failure.status == TOO_LARGE:
            self._page = max(1, self._page // 8)
        longest = min(FIRST_PAUSE * 2.0 ** min(self._failures, 10), LONGEST_PAUSE)
        self._failures += 1
        await self._sleep(max(random.uniform(FIRST_PAUSE / 2, longest), failure.retry_after))

    async def _list(self) -> None:
        """Replace the items by a new list."""
        found: dict[str, T] = {}
        token = ""
        while True:
            page = await self._server.request("GET", self._path, query=_page(self._page, token))
            for key, item in self._pairs(page):
                if len(found) < MAX_OBJECTS:
                    found[key] = item
            metadata = _table(page.get("metadata"))
            token = str(metadata.get("continue") or "")
            if not token:
                break
        self._version = str(metadata.get("resourceVersion") or "")
        self._replace(found)

    def _replace(self, found: dict[str, T]) -> None:
        if self.error:
            _log.info("%s: the API server answers again", self._path)
        self.error = ""
        is_change = found != self.items or not self.synced.is_set()
        self.items = found
        self.synced.set()
        self.settled.set()
        if is_change:
            self._changed()

    def _pairs(self, page: dict[str, Any]) -> Iterator[tuple[str, T]]:
        objects = page.get("items")
        for found in objects if isinstance(objects, list) else ():
            item = self._item(found)
            if item is not None:
                yield key_of(found), item

    def _item(self, found: object) -> T | None:
        """Read one object; ignore one that is invalid."""
        try:
            return self._read(found) if isinstance(found, dict) else None
        except (KeyError, TypeError, ValueError, AttributeError):
            _log.debug("%s: ignored an invalid object", self._path)
            return None

    async def _watch(self) -> None:
        """Follow changes from the last version until the server ends the watch."""
        limit = random.randint(240, 300)
        query = {
            "watch": "1",
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(limit),
        }
        started = asyncio.get_running_loop().time()
        async for event in self._server.watch(self._path, query, SILENCE):
            self._handle(event)
            self._failures = 0
        if asyncio.get_running_loop().time() - started < 1.0:
            await self._sleep(FIRST_PAUSE)  # a server that ends each watch at once must not be flooded

    def _handle(self, event: dict[str, Any]) -> None:
        kind, found = event.get("type"), _table(event.get("object"))
        if kind == "ERROR":
            raise ApiFailure(str(found.get("message") or "the watch failed"), int(found.get("code") or 0))
        version = _table(found.get("metadata")).get("resourceVersion")
        if not isinstance(version, str):
            raise ApiFailure("an event without a version")
        self._version = version
        if kind != "BOOKMARK":
            self._apply(key_of(found), None if kind == "DELETED" else self._item(found))

    def _apply(self, key: str, item: T | None) -> None:
        before = self.items.get(key)
        if item is None:
            self.items.pop(key, None)
        elif before is not None or len(self.items) < MAX_OBJECTS:
            self.items[key] = item
        if before != item:
            self._changed()


def key_of(found: dict[str, Any]) -> str:
    """Return `namespace/name` of an object."""
    metadata = _table(found.get("metadata"))
    return f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"


def _page(limit: int, token: str) -> dict[str, str]:
    return {"limit": str(limit), "continue": token} if token else {"limit": str(limit)}


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
