"""Listing containers and following events, with a fake engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from portmapper_docker import grace
from portmapper_docker.settings import DockerTable
from portmapper_docker.source import DockerSource

from portmapper.api.errors import SourceError

WEB = {"Id": "ab" * 32, "Names": ["/web"], "Labels": {"portmapper.port": "8080/tcp"}}


class Engine:
    """Fake of the Docker API: the container list and the event stream."""

    def __init__(self) -> None:
        self.containers: object = [WEB]
        self.streams: list[web.StreamResponse] = []
        self.status = 200
        self.info: object = {"Swarm": {"LocalNodeState": "inactive", "ControlAvailable": False}}
        self.services: object = []
        self.ended = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        if request.path.endswith("/version"):
            return web.json_response({"ApiVersion": "1.41"})
        if request.path.endswith("/events"):
            stream = web.StreamResponse(headers={"Content-Type": "application/json"})
            await stream.prepare(request)
            self.streams.append(stream)
            number = len(self.streams)
            while request.transport is not None and self.ended < number:
                await asyncio.sleep(0.05)
            return stream
        if request.path.endswith("/info"):
            return web.json_response(self.info, status=200 if self.info else 403)
        if request.path.endswith("/services"):
            return web.json_response(self.services)
        text = self.containers if isinstance(self.containers, str) else json.dumps(self.containers)
        return web.Response(body=text.encode(), status=self.status, content_type="application/json")


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """A fake engine at `engine.sock`."""
    engine = Engine()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", engine.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "engine.sock")).start()
    yield engine
    await runner.cleanup()


@pytest.fixture
async def source(tmp_path: Path) -> AsyncIterator[DockerSource]:
    """A source that reads the fake engine."""
    source = DockerSource(f"docker://{tmp_path}/engine.sock")
    yield source
    await source.close()


async def until(condition: Callable[[], object]) -> None:
    """Wait until the condition is true."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)


async def test_running_containers_are_rows(engine: Engine, source: DockerSource) -> None:
    """They are sorted by name."""
    engine.containers = [WEB, {**WEB, "Names": ["/dns"]}, {**WEB, "Labels": None}]
    rows = await source.fetch()
    assert [row.where for row in rows] == [
        "container dns, label portmapper.port",
        "container web, label portmapper.port",
    ]


async def test_published_ports_are_rows_if_the_settings_say_so(engine: Engine, tmp_path: Path) -> None:
    """Containers without labels are opened too; those with labels are not opened twice."""
    ports = [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8081, "Type": "tcp"}]
    engine.containers = [WEB | {"Ports": ports}, {**WEB, "Names": ["/shop"], "Labels": {}, "Ports": ports}]
    source = DockerSource(f"docker://{tmp_path}/engine.sock", settings=DockerTable("published"))
    rows = await source.fetch()
    assert [(row.where, row.fields["port"]) for row in rows] == [
        ("container shop, published port", "8081"),
        ("container web, label portmapper.port", "8080"),
    ]


@pytest.mark.parametrize("ports", [5, [5], [{"Type": "tcp", "PublicPort": 80, "IP": "x"}], [None], {"a": 1}])
async def test_invalid_ports_are_an_invalid_answer(engine: Engine, source: DockerSource, ports: Any) -> None:
    """The engine may be a proxy or another program."""
    engine.containers = [WEB | {"Ports": ports}]
    with pytest.raises(SourceError, match="no valid answer from the engine"):
        await source.fetch()


async def test_a_container_that_restarts_keeps_its_ports(
    engine: Engine, source: DockerSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the grace time, the list is read again without it."""
    changes: list[int] = []
    await source.watch(lambda: changes.append(1))
    await until(lambda: engine.streams)
    assert len(await source.fetch()) == 1
    engine.containers = []
    assert len(await source.fetch()) == 1
    engine.containers = [{**WEB, "Id": "cd" * 32}]
    assert len(await source.fetch()) == 1
    engine.containers = []
    assert len(await source.fetch()) == 1
    monkeypatch.setattr(grace, "GRACE", 0.0)
    assert await source.fetch() == []


async def test_the_list_is_read_again_after_the_grace_time(
    engine: Engine, source: DockerSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No event of the engine reports its end."""
    changes: list[int] = []
    await source.watch(lambda: changes.append(1))
    await until(lambda: engine.streams)
    assert len(await source.fetch()) == 1
    monkeypatch.setattr(grace, "GRACE", 0.3)
    engine.containers = []
    await source.fetch()
    await until(lambda: changes)
    assert await source.fetch() == []


SERVICE = {"ID": "cd" * 12, "Spec": {"Name": "shop", "Labels": {"portmapper.port": "8443/tcp"}}}


async def test_a_manager_of_a_swarm_lists_its_services(engine: Engine, source: DockerSource) -> None:
    """Their rows come first, and name the service."""
    engine.info = {"Swarm": {"LocalNodeState": "active", "ControlAvailable": True}}
    engine.services = [SERVICE, {**SERVICE, "Spec": {"Name": "dns"}}]
    rows = await source.fetch()
    assert [(row.where, row.origin) for row in rows] == [
        ("service shop, label portmapper.port", "shop"),
        ("container web, label portmapper.port", "web"),
    ]
    assert rows[0].fields == {"comment": "shop", "port": "8443", "protocol": "tcp"}


@pytest.mark.parametrize("info", [None, [], {}, {"Swarm": None}, {"Swarm": {"ControlAvailable": "yes"}}])
async def test_an_engine_that_manages_no_swarm_has_no_services(
    engine: Engine, source: DockerSource, info: object
) -> None:
    """A worker may not list them, and a proxy of the socket may forbid the question."""
    engine.info, engine.services = info, [SERVICE]
    assert [row.origin for row in await source.fetch()] == ["web"]


async def test_an_invalid_service_is_a_failed_read(engine: Engine, source: DockerSource) -> None:
    """The last valid list is kept."""
    engine.info, engine.services = {"Swarm": {"ControlAvailable": True}}, [{"ID": 1}]
    with pytest.raises(SourceError, match="no valid answer"):
        await source.fetch()


async def test_a_changed_service_causes_a_read(engine: Engine, source: DockerSource) -> None:
    """Other events of services do not."""
    changes: list[int] = []
    await source.watch(lambda: changes.append(1))
    await until(lambda: engine.streams)
    await engine.streams[0].write(b'{"Type":"service","Action":"start","time":1}\n')
    await engine.streams[0].write(b'{"Type":"service","Action":"update","time":1}\n')
    await until(lambda: changes)
    assert len(changes) == 1


async def test_an_event_causes_a_read_and_the_stream_is_reopened(
    engine: Engine, source: DockerSource
) -> None:
    """After a reconnect, the list is read again, because events may have been missed."""
    changes: list[int] = []
    await source.watch(lambda: changes.append(1))
    await until(lambda: engine.streams)
    await engine.streams[0].write(b'{"Type":"container","Action":"exec_start","time":1}\n')
    await engine.streams[0].write(b'{"Type":"container","Action":"start","time":1}\n')
    await until(lambda: len(changes) == 1)
    await engine.streams[0].write(b"[1]\n")
    engine.ended = 1
    await until(lambda: len(engine.streams) == 2)
    assert len(changes) >= 2


@pytest.mark.parametrize(
    "answer",
    ["no json", "[1]", '[{"Id":"a"}]', '[{"Id":"a","Names":5,"Labels":{}}]', "[" * 100_000, "null"],
)
async def test_an_invalid_answer_is_a_failed_read(engine: Engine, source: DockerSource, answer: str) -> None:
    """The error fits on one line, and the last valid list is kept."""
    engine.containers = answer
    with pytest.raises(SourceError) as caught:
        await source.fetch()
    assert "\n" not in str(caught.value)


async def test_an_oversized_answer_is_rejected(engine: Engine, source: DockerSource) -> None:
    """The limit is the maximum size of a document."""
    engine.containers = " " * (17 * 1024 * 1024)
    with pytest.raises(SourceError, match="larger than 16 MiB"):
        await source.fetch()


async def test_the_engines_refusal_is_quoted(engine: Engine, source: DockerSource) -> None:
    """Its text is escaped."""
    engine.status, engine.containers = 500, '{"message": "bad\\n\\u001b[2J"}'
    with pytest.raises(SourceError, match=r"the engine refused: 'bad\\n\\x1b\[2J'"):
        await source.fetch()


def test_only_the_scheme_is_claimed() -> None:
    """A file with this name can be written as `./docker:`."""
    claimed: list[Any] = [
        word for word in ("docker:", "docker:///x", "./docker:", "docker") if DockerSource.claims(word)
    ]
    assert claimed == ["docker:", "docker:///x"]
