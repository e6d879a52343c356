"""The observer `mqtt`: keeps the broker's retained messages up to date with the mappings."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
from typing import TYPE_CHECKING, ClassVar

from portmapper.api import Event, EventKind, Observer, UsageError, quoted
from portmapper_mqtt.messages import Messages, Topics
from portmapper_mqtt.settings import MqttTable, read_settings

if TYPE_CHECKING:
    from aiomqtt import Client

    from portmapper_mqtt.settings import Settings

_FIRST_DELAY = 1.0
_MAX_DELAY = 60.0
_CLOSE_SECONDS = 3.0
_CALL_SECONDS = 10.0
# A mapping has two topics, and a list has at most 65,536 mappings.
_MAX_TOPICS = 2 * 65536 + 2

_log = logging.getLogger(__name__)


class MqttObserver(Observer):
    """Publishes changes, and republishes everything after a reconnect."""

    name = "mqtt"
    settings: ClassVar[type] = MqttTable

    def __init__(self, *, settings: MqttTable | None = None) -> None:
        self._table = settings
        self._settings: Settings | None = None
        self._topics: Topics | None = None
        self._retained: Messages = {}
        self._unsent: dict[str, None] = {}
        self._holders: dict[str, object] = {}
        self._changed = asyncio.Event()
        self._closing = False
        self._sender: asyncio.Task[None] | None = None
        self._disabled = False

    async def observe(self, event: Event) -> None:
        """Record the messages for an event; a separate task publishes them."""
        if self._sender is None and not self._disabled:
            self._start()
        if self._topics is None or self._is_replaced_lease(event):
            return
        for topic, payload in self._topics.messages(event).items():
            if self._retained.get(topic) != payload and len(self._retained) < _MAX_TOPICS:
                self._retained[topic] = payload
                self._unsent[topic] = None
        self._changed.set()

    async def close(self) -> None:
        """Publish what is left and `offline`, and disconnect, all within a time limit."""
        self._closing = True
        self._changed.set()
        if self._sender is not None:
            _, unfinished = await asyncio.wait([self._sender], timeout=_CLOSE_SECONDS)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)

    def _start(self) -> None:
        try:
            self._settings = read_settings(os.environ, self._table)
        except UsageError as error:
            self._disabled = True
            _log.warning("mqtt: %s", error)
            return
        self._disabled = self._settings is None
        if self._settings is not None:
            self._topics = Topics(socket.gethostname(), self._settings.discovery)
            self._sender = asyncio.create_task(self._keep_sending(self._settings, self._topics))

    def _is_replaced_lease(self, event: Event) -> bool:
        """Return whether the event closes a lease that a newer lease of its mapping has replaced."""
        mapping_id = f"{event.protocol} {event.family} {event.wanted_external_port} {event.internal_port}"
        holder = (event.internal_address, event.backend, event.gateway)
        if event.kind is EventKind.CLOSED:
            if self._holders.get(mapping_id, holder) != holder:
                return True
            self._holders.pop(mapping_id, None)
        if event.kind in (EventKind.OPENED, EventKind.EXTERNAL_PORT_CHANGED):
            self._holders[mapping_id] = holder
        return False

    async def _keep_sending(self, settings: Settings, topics: Topics) -> None:
        """Connect, retry with backoff, and log each new reason for a failure once."""
        from aiomqtt import MqttError

        delay, logged = _FIRST_DELAY, ""
        while not self._closing:
            try:
                async with _connection(settings, topics) as client:
                    delay, logged = _FIRST_DELAY, ""
                    await self._publish_until_closed(client, topics)
                    return
            except (MqttError, OSError, ValueError) as error:
                if logged != (logged := quoted(str(error))):
                    _log.warning("mqtt: no connection to the broker: %s", logged)
            try:
                async with asyncio.timeout(delay * random.uniform(0.8, 1.2)):
                    while not self._closing:
                        self._changed.clear()
                        await self._changed.wait()
            except TimeoutError:
                delay = min(2 * delay, _MAX_DELAY)

    async def _publish_until_closed(self, client: Client, topics: Topics) -> None:
        """Publish all messages, then each change, until the observer is closed."""
        self._unsent = dict.fromkeys(self._retained)
        await client.publish(topics.status, "online", qos=1, retain=True)
        while True:
            self._changed.clear()
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
            await _wait_for_change(self._changed, client)


async def _wait_for_change(changed: asyncio.Event, client: Client) -> None:
    """Wait until the event is set; raise MqttError if the connection is lost first."""

    async def disconnected() -> None:
        async for _ in client.messages:
            pass  # without a subscription, this loop ends only with the connection

    waiting = [asyncio.create_task(changed.wait()), asyncio.create_task(disconnected())]
    try:
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def _connection(settings: Settings, topics: Topics) -> Client:
    import ssl  # loads OpenSSL

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
