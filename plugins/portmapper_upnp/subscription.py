"""The subscription to the events of one service (GENA; UDA 2.0, section 4.1)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Callable, Mapping

from portmapper.api import BackendError, IPAddress
from portmapper_upnp.connection import WanConnection
from portmapper_upnp.event_listener import EventListener

DURATION = 1800
"""Requested seconds (UDA 2.0, section 4.1.2 recommends at least half an hour)."""

SHORTEST = 60
"""Seconds of a subscription below which the gateway is polled instead."""

RETRY = 300.0
"""Seconds until the next attempt after a refusal."""

UNSUBSCRIBE_TIME = 1.0

_TIMEOUT = re.compile(r"second-(\d{1,9})", re.IGNORECASE)
_log = logging.getLogger(__name__)

_pause = asyncio.sleep

Changed = Callable[[Mapping[str, str], Mapping[str, str]], None]
"""Takes the variables of an event, and those that differ from the event before."""


class Subscription:
    """Keeps one subscription alive, from the first use until `close`.

    Attributes:
        values: the variables as the gateway last reported them.
    """

    def __init__(
        self, local_address: IPAddress, gateway: IPAddress, began: Callable[[], None], changed: Changed
    ) -> None:
        """Subscribe to nothing yet; `began` is called at the first event, and `changed` at the others."""
        self.values: dict[str, str] = {}
        self._began = began
        self._changed = changed
        self._listener = EventListener(local_address, gateway, self._received)
        self._callback = ""
        self._sid = ""
        self._arrived = False
        self._early: dict[str, Mapping[str, str]] = {}
        self._task: asyncio.Task[None] | None = None
        self._connection: WanConnection | None = None
        self._retry_at = 0.0

    @property
    def is_active(self) -> bool:
        """Whether events arrive: the gateway sends the first one right after it is asked."""
        return self._arrived

    def start(self, connection: WanConnection) -> None:
        """Subscribe in the background, unless that is done or was refused a short time ago."""
        loop = asyncio.get_running_loop()
        if self._task is None and connection.event_url and loop.time() >= self._retry_at:
            self._connection = connection
            self._retry_at = loop.time() + RETRY
            self._task = loop.create_task(self._keep(connection))

    def forget(self) -> None:
        """Forget the subscription: the gateway restarted, and no longer knows it."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._sid, self._arrived, self._retry_at = "", False, 0.0
        self.values.clear()

    async def close(self) -> None:
        """Unsubscribe if the gateway answers soon, and stop listening."""
        sid, connection = self._sid, self._connection
        self.forget()
        if sid and connection is not None:
            with contextlib.suppress(BackendError, TimeoutError):
                async with asyncio.timeout(UNSUBSCRIBE_TIME):
                    await connection.event_request("UNSUBSCRIBE", {"SID": sid})
        self._listener.close()

    async def _keep(self, connection: WanConnection) -> None:
        try:
            seconds = await self._subscribe(connection, await self._headers())
            while seconds >= SHORTEST:
                await _pause(seconds / 2)
                seconds = await self._subscribe(connection, {"SID": self._sid})
            _log.debug("the gateway ends its subscriptions after %d s", seconds)
        except (BackendError, OSError) as error:
            _log.debug("no events from the gateway: %s", error)
        self._task = None
        self._sid, self._arrived = "", False

    async def _headers(self) -> dict[str, str]:
        self._callback = self._callback or await self._listener.open()
        return {"CALLBACK": f"<{self._callback}>", "NT": "upnp:event"}

    async def _subscribe(self, connection: WanConnection, headers: Mapping[str, str]) -> int:
        """Subscribe or renew; return for how many seconds. Raise `BackendError` if it is refused."""
        answer = await connection.event_request("SUBSCRIBE", {**headers, "TIMEOUT": f"Second-{DURATION}"})
        self._sid = answer.get("SID", "") or self._sid
        if early := self._early.pop(self._sid, None):
            self._take(early)
        self._early.clear()
        found = _TIMEOUT.search(answer.get("TIMEOUT", ""))
        return min(int(found[1]), DURATION) if found else DURATION

    def _received(self, sid: str, values: Mapping[str, str]) -> bool:
        if self._sid and sid == self._sid:
            self._take(values)
            return True
        if self._task is not None and not self._sid and len(self._early) < 2:
            self._early[sid] = values  # the first event may overtake the answer to SUBSCRIBE
            return True
        return False

    def _take(self, values: Mapping[str, str]) -> None:
        if not self._arrived:
            _log.debug("events of the gateway arrive")
        self._arrived = True
        before = dict(self.values)
        self.values.update(values)
        changed = {name: value for name, value in values.items() if before.get(name) != value}
        if before:
            self._changed(values, changed)
        else:
            self._began()
