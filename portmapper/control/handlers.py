"""The answers to the requests of the API, one method for each operation."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from portmapper import __version__
from portmapper.api.hookspecs import PLUGIN_API
from portmapper.control.daemon_interface import DaemonInterface, Document
from portmapper.control.doctor_jobs import DoctorJobs
from portmapper.control.event_stream import (
    ClientOf,
    EventStreams,
    MayContinue,
    always,
    peer_of_request,
)
from portmapper.control.openapi import openapi_document
from portmapper.control.operations import DEFAULT_HISTORY, MAX_HISTORY, OPERATIONS
from portmapper.control.problems import Problem
from portmapper.control.unix_socket import VERSION
from portmapper.observability.summary import mappings_with_reason, summary_document
from portmapper.support.slices import json_in_slices

BODY_LIMIT = 10.0
"""Seconds for a client to send the body of a request."""

MAX_BODY = 1024 * 1024
"""Bytes of the body of a request."""

MAX_RECORDS = 1000

RequestHandler = Callable[[object], Awaitable[Document]]


class Handlers:
    """Request handlers; each is named after its operation.

    `web` is `aiohttp.web` for the TCP listener, and `light_web` for the socket.
    """

    def __init__(
        self,
        daemon: DaemonInterface,
        web: Any,
        jobs: DoctorJobs,
        *,
        over_tcp: bool = False,
        client_of: ClientOf = peer_of_request,
        may_continue: MayContinue = always,
    ) -> None:
        self._daemon = daemon
        self._web = web
        self._jobs = jobs
        self._over_tcp = over_tcp
        self.events = EventStreams(daemon, web, client_of, may_continue).serve

    async def status(self, _: Any) -> Any:
        """Answer `GET /v1/status`."""
        return await self._answer_in_slices(await self._daemon.status_in_slices())

    async def summary(self, _: Any) -> Any:
        """Answer `GET /v1/summary`."""
        return self._answer(summary_document(await self._daemon.status_in_slices()))

    async def mappings(self, _: Any) -> Any:
        """Answer `GET /v1/mappings`."""
        mappings = mappings_with_reason(await self._daemon.status_in_slices())
        return await self._answer_in_slices(mappings)

    async def gateways(self, _: Any) -> Any:
        """Answer `GET /v1/gateways`."""
        return self._answer((await self._daemon.status_in_slices())["gateways"])

    async def sources(self, _: Any) -> Any:
        """Answer `GET /v1/sources`."""
        return self._answer((await self._daemon.status_in_slices())["sources"])

    async def history(self, request: Any) -> Any:
        """Answer `GET /v1/history`."""
        limit = _number(request.query, "limit", DEFAULT_HISTORY)
        if limit is None or not 1 <= limit <= MAX_HISTORY:
            raise Problem(400, f"limit must be a number from 1 to {MAX_HISTORY}")
        return self._answer(self._daemon.history(limit, before=_before(request.query)))

    async def version(self, _: Any) -> Any:
        """Answer `GET /v1/version`."""
        return self._answer({"version": __version__, "api": VERSION, "plugin_api": PLUGIN_API})

    async def openapi(self, _: Any) -> Any:
        """Answer `GET /v1/openapi.json`."""
        served = [operation for operation in OPERATIONS if not (self._over_tcp and operation.socket_only)]
        return self._answer(openapi_document(served))

    async def open(self, request: Any) -> Any:
        """Answer `POST /v1/open`."""
        return await self._handle(self._daemon.open, request)

    async def close(self, request: Any) -> Any:
        """Answer `POST /v1/close`."""
        return await self._handle(self._daemon.close, request)

    async def pause(self, request: Any) -> Any:
        """Answer `POST /v1/pause`."""
        return await self._handle(self._daemon.pause, request)

    async def resume(self, request: Any) -> Any:
        """Answer `POST /v1/resume`."""
        return await self._handle(self._daemon.resume, request)

    async def reload(self, _: Any) -> Any:
        """Answer `POST /v1/reload`."""
        return self._answer({"reloading": True, **await self._daemon.reload_and_wait()})

    async def stop(self, _: Any) -> Any:
        """Answer `POST /v1/stop`."""
        # Answer first: the daemon closes this connection when it stops.
        asyncio.get_running_loop().call_soon(self._daemon.stop)
        return self._answer({"stopping": True})

    async def doctor(self, request: Any) -> Any:
        """Answer `POST /v1/doctor`."""
        content = await _body(request)
        job = self._jobs.start(_json(content) if content else {})
        response = self._answer(job, 202)
        response.headers["Location"] = f"/{VERSION}/doctor/{job['id']}"
        return response

    async def doctor_job(self, request: Any) -> Any:
        """Answer `GET /v1/doctor/ID`."""
        return self._answer(self._jobs.document(request.match_info["id"]))

    async def healthz(self, _: Any) -> Any:
        """Answer `GET /healthz`: this runs on the loop, so the loop runs."""
        return self._answer({"status": "ok"})

    async def readyz(self, _: Any) -> Any:
        """Answer `GET /readyz`."""
        if reasons := self._daemon.not_ready():
            raise Problem(503, "; ".join(reasons))
        return self._answer({"status": "ok"})

    async def metrics(self, _: Any) -> Any:
        """Answer `GET /metrics`."""
        page = await self._daemon.metrics()
        if page is None:
            raise Problem(404, "no plugin provides metrics")
        return self._web.Response(body=page.body, headers={"Content-Type": page.content_type})

    metrics_v1 = metrics

    async def _handle(self, handler: RequestHandler, request: Any) -> Any:
        """Pass the records of the body to a method of the daemon."""
        document = _json(await _body(request))
        if not isinstance(document, dict) or "mappings" not in document:
            raise Problem(400, 'the body must be {"mappings": [...]}')
        records = document["mappings"]
        if isinstance(records, list) and len(records) > MAX_RECORDS:
            raise Problem(400, f"a request may have {MAX_RECORDS} mappings, this has {len(records)}")
        return self._answer(await handler(records))

    async def _answer_in_slices(self, document: object) -> Any:
        return self._web.json_response(text=await json_in_slices(document))

    def _answer(self, document: object, status: int = 200) -> Any:
        return self._web.json_response(document, status=status)


async def _body(request: Any) -> bytes:
    try:
        async with asyncio.timeout(BODY_LIMIT):
            content: bytes = await request.read()
    except TimeoutError:
        raise Problem(408, f"the body did not arrive within {BODY_LIMIT:g} s") from None
    return content


def _json(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise Problem(400, "the body is not JSON") from None


def _number(query: Any, name: str, default: int) -> int | None:
    """Return a number of the query; None if it is invalid."""
    text = query.get(name)
    if text is None:
        return default
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else None


def _before(query: Any) -> int | None:
    number = _number(query, "before", 0)
    if number is None:
        raise Problem(400, "before must be the id of an event")
    return number if "before" in query else None
