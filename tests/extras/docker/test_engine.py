"""An engine that is absent, wrong or hostile is one line, and the socket is what was named."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from portmapper_docker.source import DockerSource

from portmapper.api.errors import SourceError

WEB = {"Id": "ab" * 32, "Names": ["/web"], "Labels": {"portmapper.port": "8080/tcp"}}


class Engine:
    """The few requests of the Docker API that a list and its events need."""

    def __init__(self) -> None:
        self.containers: object = [WEB]
        self.streams: list[web.StreamResponse] = []
        self.status = 200
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
        text = self.containers if isinstance(self.containers, str) else json.dumps(self.containers)
        return web.Response(body=text.encode(), status=self.status, content_type="application/json")


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """One behind `engine.sock`."""
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
    """The source that asks it."""
    source = DockerSource(f"docker://{tmp_path}/engine.sock")
    yield source
    await source.close()


async def until(condition: Callable[[], object]) -> None:
    """Wait for it."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


async def test_running_containers_are_rows(engine: Engine, source: DockerSource) -> None:
    """In the order of their names, whatever the engine's order."""
    engine.containers = [WEB, {**WEB, "Names": ["/dns"]}, {**WEB, "Labels": None}]
    rows = await source.fetch()
    assert [row.place for row in rows] == [
        "container dns, label portmapper.port",
        "container web, label portmapper.port",
    ]


async def test_an_event_is_passed_on_and_a_stream_that_ends_is_opened_again(
    engine: Engine, source: DockerSource
) -> None:
    """What happened in between is found by reading once more."""
    told: list[int] = []
    await source.watch(lambda: told.append(1))
    await until(lambda: engine.streams)
    await engine.streams[0].write(b'{"Type":"container","Action":"exec_start","time":1}\n')
    await engine.streams[0].write(b'{"Type":"container","Action":"start","time":1}\n')
    await until(lambda: len(told) == 1)
    await engine.streams[0].write(b"[1]\n")
    engine.ended = 1
    await until(lambda: len(engine.streams) == 2)
    assert len(told) >= 2


@pytest.mark.parametrize(
    "answer",
    ["no json", "[1]", '[{"Id":"a"}]', '[{"Id":"a","Names":5,"Labels":{}}]', "[" * 100_000, "null"],
)
async def test_garbage_is_a_failed_read(engine: Engine, source: DockerSource, answer: str) -> None:
    """One line, so that the last good list is kept."""
    engine.containers = answer
    with pytest.raises(SourceError) as caught:
        await source.fetch()
    assert "\n" not in str(caught.value)


async def test_an_endless_answer_is_given_up(engine: Engine, source: DockerSource) -> None:
    """At the size that no document may have."""
    engine.containers = " " * (17 * 1024 * 1024)
    with pytest.raises(SourceError, match="larger than 16 MiB"):
        await source.fetch()


async def test_the_engines_refusal_is_quoted(engine: Engine, source: DockerSource) -> None:
    """Its words may hold anything."""
    engine.status, engine.containers = 500, '{"message": "bad\\n\\u001b[2J"}'
    with pytest.raises(SourceError, match=r"the engine refused: 'bad\\n\\x1b\[2J'"):
        await source.fetch()


@pytest.mark.parametrize(
    ("location", "host", "reason"),
    [
        ("docker:///nowhere/engine.sock", "", "no such socket"),
        ("docker:///dev/null", "", "is not a socket"),
        ("docker://engine/x", "", "write docker: or"),
        ("docker:", "tcp://10.0.0.1:2375", "only unix"),
        ("docker:", "unix:///nowhere.sock", "/nowhere.sock: no such socket"),
    ],
)
async def test_a_location_without_an_engine_says_why(
    monkeypatch: pytest.MonkeyPatch, location: str, host: str, reason: str
) -> None:
    """Before anything is sent."""
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(SourceError, match=reason):
        await DockerSource(location).fetch()


def test_the_scheme_is_claimed_and_nothing_else() -> None:
    """A file of that name is `./docker:`."""
    claimed: list[Any] = [
        word for word in ("docker:", "docker:///x", "./docker:", "docker") if DockerSource.claims(word)
    ]
    assert claimed == ["docker:", "docker:///x"]
