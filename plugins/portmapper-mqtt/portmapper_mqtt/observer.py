"""The observer `mqtt`: keeps the broker's retained messages as the mappings are."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
import ssl
from typing import TYPE_CHECKING

from portmapper.api import Event, EventKind, Observer, UsageError, quoted
from portmapper_mqtt.messages import Messages, Topics

if TYPE_CHECKING:
    from aiomqtt import Client

    from portmapper_mqtt.settings import Settings

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
_CLOSE_SECONDS = 3.0
_CALL_SECONDS = 10.0
# A mapping has four topics, and a list 65 536 mappings at most.
_MAX_TOPICS = 4 * 65536

_log = logging.getLogger(__name__)


class MqttObserver(Observer):
    """Sends what changed, and everything again when the broker comes back."""

    name = "mqtt"

    def __init__(self) -> None:
        self._settings: Settings | None = None
        self._topics: Topics | None = None
        self._retained: Messages = {}
        self._unsent: dict[str, None] = {}
        self._holders: dict[str, object] = {}
        self._news = asyncio.Event()
        self._closing = False
        self._sender: asyncio.Task[None] | None = None
        self._refused = False

    async def observe(self, event: Event) -> None:
        """Note what the event changes; the sending is a task of its own."""
        if self._sender is None and not self._refused:
            self._begin()
        if self._topics is None or self._is_of_another_lease(event):
            return
        for topic, payload in self._topics.messages(event).items():
            if self._retained.get(topic) != payload and len(self._retained) < _MAX_TOPICS:
                self._retained[topic] = payload
                self._unsent[topic] = None
        self._news.set()

    async def close(self) -> None:
        """Send what is left, say `offline`, and hang up; an absent broker holds nothing up."""
        self._closing = True
        self._news.set()
        if self._sender is not None:
            _, late = await asyncio.wait([self._sender], timeout=_CLOSE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)

    def _begin(self) -> None:
        from portmapper_mqtt.settings import read_settings

        try:
            self._settings = read_settings(os.environ)
        except UsageError as error:
            self._refused = True
            _log.warning("mqtt: %s", error)
            return
        self._refused = self._settings is None
        if self._settings is not None:
            self._topics = Topics(socket.gethostname(), self._settings.discovery)
            self._sender = asyncio.create_task(self._keep_sending(self._settings, self._topics))

    def _is_of_another_lease(self, event: Event) -> bool:
        """Tell whether a lease was closed that another one of the same mapping has replaced."""
        slot = f"{event.protocol} {event.family} {event.wanted_external_port} {event.internal_port}"
        holder = (event.internal_address, event.backend, event.gateway)
        if event.kind is EventKind.CLOSED:
            if self._holders.get(slot, holder) != holder:
                return True
            self._holders.pop(slot, None)
        if event.kind in (EventKind.OPENED, EventKind.EXTERNAL_PORT_CHANGED):
            self._holders[slot] = holder
        return False

    async def _keep_sending(self, settings: Settings, topics: Topics) -> None:
        """Connect, and again ever more rarely while the broker is away; one line for each change."""
        from aiomqtt import MqttError

        pause, told = _FIRST_PAUSE, ""
        while not self._closing:
            try:
                async with _connection(settings, topics) as client:
                    pause, told = _FIRST_PAUSE, ""
                    await self._send(client, topics)
                    return
            except (MqttError, OSError, ValueError) as error:
                if told != (told := quoted(str(error))):
                    _log.warning("mqtt: no connection to the broker: %s", told)
            try:
                async with asyncio.timeout(pause * random.uniform(0.8, 1.2)):
                    while not self._closing:
                        self._news.clear()
                        await self._news.wait()
            except TimeoutError:
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def _send(self, client: Client, topics: Topics) -> None:
        """Send everything that is known, then what changes, until the observer is closed."""
        self._unsent = dict.fromkeys(self._retained)
        await client.publish(topics.status, "online", qos=1, retain=True)
        while True:
            self._news.clear()
            while self._unsent:
                topic = next(iter(self._unsent))
                payload = self._retained[topic]
                await client.publish(topic, payload, qos=1, retain=True)
                if self._retained[topic] == payload:
                    del self._unsent[topic]
                    if not payload:
                        del self._retained[topic]
            if self._closing:
                await client.publish(topics.status, "offline", qos=1, retain=True)
                return
            await _first_of(self._news, client)


async def _first_of(news: asyncio.Event, client: Client) -> None:
    """Wait for news; a connection that is lost meanwhile raises an MqttError."""

    async def lost() -> None:
        async for _ in client.messages:
            pass  # nothing is subscribed to: this only ends with the connection

    waiting = [asyncio.create_task(news.wait()), asyncio.create_task(lost())]
    try:
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def _connection(settings: Settings, topics: Topics) -> Client:
    from aiomqtt import Client, Will

    return Client(
        settings.host,
        settings.port,
        username=settings.user,
        password=settings.password,
        will=Will(topics.status, "offline", qos=1, retain=True),
        tls_context=ssl.create_default_context() if settings.tls else None,
        timeout=_CALL_SECONDS,
        max_queued_incoming_messages=16,
    )
