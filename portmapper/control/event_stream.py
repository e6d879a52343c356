"""The stream of events: lines of JSON, or server-sent events that a client can resume."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator, Callable, Hashable
from typing import Any

from portmapper.api.errors import PortmapperError
from portmapper.api.events import Event
from portmapper.control.daemon_interface import DaemonInterface
from portmapper.control.operations import NDJSON, SSE
from portmapper.control.problems import Problem
from portmapper.observability.publisher import event_document
from portmapper.support.connection_guard import peer_of
from portmapper.support.http_server import stream_without_limit

QUEUE_LIMIT = 1000
"""Events that may wait for a slow reader of the stream before its connection is closed."""

REPLAY_LIMIT = 1000
"""Events that a client gets after it connects again."""

WRITE_LIMIT = 10.0
"""Seconds for a client to take a line of a stream."""

KEEP_ALIVE = 15.0
"""Seconds without an event before a comment shows the client, and a proxy, that the stream is alive."""

MAX_STREAMS = 48
MAX_STREAMS_PER_PEER = 12
"""Fewer than the connections of one peer, so that its other requests get an answer."""

RECONNECT = 2000
"""Milliseconds before a browser connects again."""

ClientOf = Callable[[Any], Hashable]
"""Returns what identifies the client of a request for limits."""

MayContinue = Callable[[Any], bool]
"""Returns whether the client of a request may still see the stream: its login may have ended."""

_log = logging.getLogger(__name__)


class EventStreams:
    """Serves the streams of one listener."""

    def __init__(
        self, daemon: DaemonInterface, web: Any, client_of: ClientOf, may_continue: MayContinue
    ) -> None:
        self._daemon = daemon
        self._client_of = client_of
        self._may_continue = may_continue
        self._web = web
        self._peers: list[Hashable] = []

    async def serve(self, request: Any) -> Any:
        """Stream events until the client leaves.

        Raises:
            Problem: too many streams are open.
        """
        peer = self._client_of(request)
        if len(self._peers) >= MAX_STREAMS or self._peers.count(peer) >= MAX_STREAMS_PER_PEER:
            raise Problem(503, "too many event streams are open; try again later", {"Retry-After": "30"})
        self._peers.append(peer)
        try:
            return await self._serve(request)
        finally:
            self._peers.remove(peer)

    async def _serve(self, request: Any) -> Any:
        as_sse = _wants_sse(request)
        content_type = f"{SSE}; charset=utf-8" if as_sse else NDJSON
        headers = {"Content-Type": content_type, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        response = self._web.StreamResponse(headers=headers)
        stream_without_limit(request)
        await response.prepare(request)
        lines = self._sse(_last_id(request)) if as_sse else self._ndjson()
        try:
            async with contextlib.aclosing(lines):
                async for line in lines:
                    if not self._may_continue(request):
                        break
                    async with asyncio.timeout(WRITE_LIMIT):
                        await response.write(line)
        except (ConnectionError, TimeoutError):
            _log.debug("a client left the event stream")
        except PortmapperError as error:  # too late for a problem document
            _log.warning("an event stream ended: %s", error)
        return response

    async def _ndjson(self) -> AsyncGenerator[bytes, None]:
        async with contextlib.aclosing(self._events()) as events:
            async for number, event in events:
                if event is not None:
                    yield json.dumps({"id": number, **event}).encode() + b"\n"

    async def _sse(self, last: int | None) -> AsyncGenerator[bytes, None]:
        yield f"retry: {RECONNECT}\n\n".encode()
        async with contextlib.aclosing(self._events(last)) as events:
            async for number, event in events:
                data = json.dumps({"id": number, **event}) if event is not None else ""
                yield f"id: {number}\ndata: {data}\n\n".encode() if data else b":\n\n"

    async def _events(
        self, last: int | None = None
    ) -> AsyncGenerator[tuple[int, dict[str, Any] | None], None]:
        """Yield the events after the id `last`, then each new one; None if there was none for a while."""
        queue: asyncio.Queue[tuple[int, Event]] = asyncio.Queue(QUEUE_LIMIT)

        def put(event: Event) -> None:
            if not queue.full():
                queue.put_nowait((self._daemon.last_event_id, event))

        remove_listener = self._daemon.listen(put)
        try:
            newest = self._daemon.last_event_id
            if last is not None and last < newest:
                for document in self._daemon.history(REPLAY_LIMIT, after=last):
                    yield document.pop("id"), document
            while not queue.full():
                try:
                    async with asyncio.timeout(KEEP_ALIVE):
                        number, event = await queue.get()
                except TimeoutError:
                    yield newest, None
                    continue
                yield number, event_document(event)
        finally:
            remove_listener()


def always(request: Any) -> bool:
    """Let each stream continue."""
    return True


def peer_of_request(request: Any) -> Hashable:
    """Return the peer of a request's connection."""
    return peer_of(request.transport)


def _wants_sse(request: Any) -> bool:
    return SSE in request.headers.get("Accept", "").lower()


def _last_id(request: Any) -> int | None:
    text = request.headers.get("Last-Event-ID", "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else None
