"""The source `docker:`: mappings from the labels of running containers."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, ClassVar

from portmapper.api import Row, Source, SourceError
from portmapper.support.stream_follower import StreamFollower
from portmapper_docker.grace import Found, Grace
from portmapper_docker.settings import DockerTable

if TYPE_CHECKING:
    from aiodocker import Docker

_FETCH_SECONDS = 10.0
_LATER = 0.1
# The stream also requests slightly older events, so that none is missed between list and stream.
_OVERLAP_SECONDS = 2
# Frequent events such as health checks are ignored. `died` and `remove` are Podman's names.
_ACTIONS = frozenset({"start", "die", "died", "stop", "restart", "cleanup", "destroy", "remove", "rename"})

_SERVICE_ACTIONS = frozenset({"create", "update", "remove"})


class DockerSource(Source):
    """Running containers of the engine at `docker:` or `docker:///PATH`."""

    name = "docker"
    may_be_down = True

    settings: ClassVar[type] = DockerTable

    def __init__(self, location: str, *, settings: DockerTable | None = None) -> None:
        super().__init__(location)
        self._table = settings or DockerTable()
        self._follower = StreamFollower(location, self._follow)
        self._grace = Grace()
        self._changed: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def claims(cls, location: str) -> bool:
        """Claim the scheme `docker:`."""
        return location.startswith("docker:")

    async def fetch(self) -> Sequence[Row]:
        """List the running containers and read their labels.

        Raises:
            SourceError: the engine is unreachable, or its answer is invalid.
        """
        from portmapper_docker.engine import FAILURES, engine, host_address, name_and_labels, reason
        from portmapper_docker.engine_address import engine_address
        from portmapper_docker.labels import rows_of
        from portmapper_docker.own_address import OwnAddresses
        from portmapper_docker.published import container_rows, published_ports
        from portmapper_docker.swarm import services

        place = engine_address(self.location, os.environ)
        try:
            async with asyncio.timeout(_FETCH_SECONDS), engine(place) as docker:
                host = await host_address(place)
                listed = await docker.containers.list()
                own = await OwnAddresses.read(docker, listed)
                running = [
                    Found(str(c["Id"]), *name_and_labels(c), published_ports(c), own.of(c) or host)
                    for c in listed
                ]
                managed = sorted(await services(docker), key=lambda service: service[0])
        except FAILURES as error:
            raise SourceError(reason(error)) from None
        rows = [row for service, labels in managed for row in rows_of(service, labels, "service")]
        found = self._grace.keep(sorted(running, key=attrgetter("name")))
        self._look_again_after_the_grace_time()
        return [*rows, *(row for each in found for row in container_rows(each, self._table.expose))]

    async def watch(self, changed: Callable[[], None]) -> None:
        """Follow the engine's events until `close`."""
        self._changed = changed
        self._follower.start(changed)

    def _look_again_after_the_grace_time(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._changed is not None and self._grace.seconds_left:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._grace.seconds_left + _LATER, self._changed)

    async def close(self) -> None:
        """Stop following."""
        self._changed = None
        self._look_again_after_the_grace_time()
        await self._follower.close()

    async def _follow(self, changed: Callable[[], None]) -> str:
        """Read the engine's event stream, and return why it ended."""
        from portmapper_docker.engine import FAILURES, engine, reason
        from portmapper_docker.engine_address import engine_address

        try:
            async with engine(engine_address(self.location, os.environ)) as docker:
                await _stream(docker, changed)
        except (*FAILURES, SourceError) as error:
            return reason(error)
        return "the engine closed the event stream"


def _may_change_the_list(event: dict[str, object]) -> bool:
    actions = _SERVICE_ACTIONS if event.get("Type") == "service" else _ACTIONS
    return event.get("Action", event.get("status")) in actions


async def _stream(docker: Docker, changed: Callable[[], None]) -> None:
    """Call `changed` for each event that can change the list, until the stream ends."""
    events = docker.events.subscribe(create_task=False)
    since = str(int(time.time()) - _OVERLAP_SECONDS)
    running = asyncio.create_task(docker.events.run(filters='{"type":["container","service"]}', since=since))
    try:
        while (event := await events.get()) is not None:
            if isinstance(event, dict) and _may_change_the_list(event):
                changed()
        await running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
