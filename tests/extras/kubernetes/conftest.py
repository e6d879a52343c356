"""A double of the API server, for answers that a real one gives rarely."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from portmapper_kubernetes.api_server import ApiServer, load_config

SERVICES = "api/v1/services"
LEASES = "apis/coordination.k8s.io/v1/namespaces/portmapper/leases"
SECRETS = "api/v1/namespaces/portmapper/secrets"

COLLECTIONS = ("services", "nodes", "portmappings", "leases", "secrets")

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FakeApi:
    """Collections of objects with versions, watches, and faults to inject.

    Attributes:
        objects: by path of the collection, then by name.
        faults: answers for the next requests, each with a part of the path and query that it applies to.
        requests: method and path of each request.
        bodies: the bodies of requests that change something.
    """

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, dict[str, Any]]] = {}
        self.faults: list[tuple[str, Answer]] = []
        self.requests: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.version = 100
        self.log: list[tuple[int, str, dict[str, Any]]] = []
        self.news = asyncio.Event()
        self.oldest = 0
        self.watches = 0
        self.token = "secret"
        self.port = 0

    def put(self, path: str, found: dict[str, Any]) -> dict[str, Any]:
        """Create or change an object."""
        self.version += 1
        found = {**found, "metadata": {**found["metadata"], "resourceVersion": str(self.version)}}
        known = self.objects.setdefault(path, {})
        kind = "MODIFIED" if found["metadata"]["name"] in known else "ADDED"
        known[found["metadata"]["name"]] = found
        self._tell(path, kind, found)
        return found

    def delete(self, path: str, name: str) -> None:
        """Delete an object."""
        self.version += 1
        found = self.objects[path].pop(name)
        found = {**found, "metadata": {**found["metadata"], "resourceVersion": str(self.version)}}
        self._tell(path, "DELETED", found)

    def _tell(self, path: str, kind: str, found: dict[str, Any]) -> None:
        self.log.append((self.version, path, {"type": kind, "object": found}))
        self.news.set()
        self.news = asyncio.Event()

    def compact(self) -> None:
        """Forget old versions: a watch from one of them is refused."""
        self.log.clear()
        self.oldest = self.version

    def drop_watches(self) -> None:
        """End every watch."""
        self.watches += 1
        self.news.set()
        self.news = asyncio.Event()

    def fail(self, part: str, answer: Answer, times: int = 1) -> None:
        """Give this answer to the next requests whose path and query contain `part`."""
        self.faults += [(part, answer)] * times

    def count(self, part: str) -> int:
        """Return the number of requests whose method, path and query contain `part`."""
        return sum(part in request for request in self.requests)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        line = f"{request.method} {request.path_qs}"
        self.requests.append(line)
        for fault in self.faults:
            if fault[0] in line:
                self.faults.remove(fault)
                return await fault[1](request)
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return refusal(401, "Unauthorized")
        return await self._answer(request, request.path.lstrip("/"))

    async def _answer(self, request: web.Request, path: str) -> web.StreamResponse:
        collection, _, name = path.rpartition("/")
        if request.method == "GET" and "watch" in request.query:
            return await self._watch(request, path)
        if request.method == "GET" and name in COLLECTIONS:
            return self._list(path)
        body = await request.json() if request.can_read_body else {}
        if request.method == "GET":
            found = self.objects.get(collection, {}).get(name)
            return web.json_response(found) if found else refusal(404, "not found")
        self.bodies.append(body)
        if request.method == "POST":
            if body["metadata"].get("name") in self.objects.get(path, {}):
                return refusal(409, "already exists")
            return web.json_response(self.put(path, body))
        if request.method == "PUT":
            known = self.objects.get(collection, {}).get(name)
            if known is None:
                return refusal(404, "not found")
            if body["metadata"].get("resourceVersion") != known["metadata"]["resourceVersion"]:
                return refusal(409, "the object has been modified")
            return web.json_response(self.put(collection, body))
        return web.json_response(body)

    def _list(self, path: str) -> web.Response:
        items = list(self.objects.get(path, {}).values())
        return web.json_response({"items": items, "metadata": {"resourceVersion": str(self.version)}})

    async def _watch(self, request: web.Request, path: str) -> web.StreamResponse:
        since, watches = int(request.query["resourceVersion"]), self.watches
        if since < self.oldest:
            return refusal(410, "too old resource version")
        stream = web.StreamResponse()
        await stream.prepare(request)
        while request.transport is not None and self.watches == watches:
            if since < self.oldest:
                await stream.write(b'{"type":"ERROR","object":{"code":410,"message":"compacted"}}\n')
                break
            news = self.news
            for version, where, event in self.log:
                if where == path and version > since:
                    since = version
                    await stream.write(json.dumps(event).encode() + b"\n")
            await news.wait()
        return stream


def refusal(status: int, message: str, **headers: str) -> web.Response:
    """Return an error as the API server sends it."""
    body = {"kind": "Status", "status": "Failure", "message": message, "code": status}
    return web.json_response(body, status=status, headers=headers)


def answer(status: int, message: str = "fault", **headers: str) -> Answer:
    """Return an answer with an error."""

    async def give(_: web.Request) -> web.StreamResponse:
        return refusal(status, message, **headers)

    return give


def stream(*lines: str, then_wait: bool = False) -> Answer:
    """Return an answer with the lines of a watch; then the stream ends, or stays open and silent."""

    async def give(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for line in lines:
            await response.write(line.encode())
        while then_wait and request.transport is not None:
            await asyncio.sleep(0.01)
        return response

    return give


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    """A double of the API server."""
    api = FakeApi()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    api.port = runner.addresses[0][1]
    yield api
    await runner.cleanup()


@pytest.fixture
def kubeconfig(api: FakeApi, tmp_path: Path) -> Path:
    """A kubeconfig for the double, with a token file."""
    token = tmp_path / "token"
    token.write_text(api.token)
    path = tmp_path / "kubeconfig"
    config = {
        "current-context": "lab",
        "clusters": [{"name": "lab", "cluster": {"server": f"http://127.0.0.1:{api.port}"}}],
        "users": [{"name": "me", "user": {"tokenFile": str(token)}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "me"}}],
    }
    path.write_text(json.dumps(config))
    return path


@pytest.fixture
async def server(kubeconfig: Path) -> AsyncIterator[ApiServer]:
    """A connection to the double."""
    server = ApiServer(load_config(kubeconfig))
    yield server
    await server.close()


async def until(condition: Callable[[], object], limit: float = 60.0) -> None:
    """Wait until a condition is true."""
    async with asyncio.timeout(limit):
        while not condition():
            await asyncio.sleep(0.005)


def service(name: str = "web", namespace: str = "shop", **changes: Any) -> dict[str, Any]:
    """Return a Service as the API server describes it."""
    annotations = changes.pop("annotations", {"portmapper.dev/ports": "http:8443"})
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-{namespace}-{name}",
        "creationTimestamp": changes.pop("created", "2026-01-01T00:00:00Z"),
        "annotations": annotations,
        **changes.pop("metadata", {}),
    }
    spec = {
        "type": "NodePort",
        "ports": [
            {"name": "http", "port": 80, "nodePort": 30080, "protocol": "TCP"},
            {"name": "dns", "port": 53, "nodePort": 30053, "protocol": "UDP"},
            {"name": "dns-tcp", "port": 53, "nodePort": 30053, "protocol": "TCP"},
        ],
        **changes.pop("spec", {}),
    }
    return {"metadata": metadata, "spec": spec, "status": changes.pop("status", {})}


def port_mapping(name: str = "game", namespace: str = "shop", **changes: Any) -> dict[str, Any]:
    """Return a PortMapping as the API server describes it."""
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-{namespace}-{name}",
        "generation": 1,
        "creationTimestamp": changes.pop("created", "2026-01-02T00:00:00Z"),
        **changes.pop("metadata", {}),
    }
    return {"metadata": metadata, "spec": {"port": 7777, "protocol": "TCP", **changes}}
