"""The observer `notify`: looks at the status after each change, and sends messages."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from portmapper.api import Event, Observer, ReadsStatus
from portmapper.support.text import plural
from portmapper.support.threads import in_thread
from portmapper_notify.conditions import Conditions, Message
from portmapper_notify.settings import NotifyTable, is_quiet

LOOK_SECONDS = 15.0
"""Longest time between two looks at the status: no event reports an unreadable list."""

PAUSE = 1.0
FIRST_DELAY = 5.0
MAX_DELAY = 300.0
MAX_WAITING = 100
SEND_SECONDS = 60.0

_log = logging.getLogger(__name__)


class NotifyObserver(Observer, ReadsStatus):
    """Sends each message once. Messages that wait for the end of the quiet hours are sent together."""

    name = "notify"
    settings: ClassVar[type] = NotifyTable
    end_limit: ClassVar[float] = 3.0

    def __init__(self, *, settings: NotifyTable | None = None) -> None:
        self._table = settings or NotifyTable()
        self._conditions = Conditions(self._table.delay)
        self._status: Callable[[], dict[str, Any]] = dict
        self._changed = asyncio.Event()
        self._waiting: list[Message] = []
        self._retry_at, self._delay = 0.0, FIRST_DELAY
        self._worker: asyncio.Task[None] | None = None

    def attach_status(self, status: Callable[[], dict[str, Any]]) -> None:
        """Set the function that returns the status document."""
        self._status = status

    async def start(self) -> None:
        """Start to look at the status."""
        if self._table.urls:
            self._worker = asyncio.create_task(self._watch())

    async def observe(self, event: Event) -> None:
        """Look at the status soon."""
        self._changed.set()

    async def close(self) -> None:
        """Stop. A port that closes because the daemon stops is no news."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            self._changed.clear()
            found = self._conditions.compare(self._status(), time.monotonic())
            self._waiting += [message for message in found if message.kind in self._table.messages]
            del self._waiting[:-MAX_WAITING]
            await self._send_waiting()
            await asyncio.sleep(PAUSE)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(LOOK_SECONDS, max(self._table.delay, PAUSE))):
                    await self._changed.wait()

    async def _send_waiting(self) -> None:
        quiet = is_quiet(self._table.quiet_hours, datetime.now().time())
        if not self._waiting or quiet or time.monotonic() < self._retry_at:
            return
        lines = list(dict.fromkeys(message.text for message in self._waiting))
        if await self._is_sent(lines):
            self._waiting.clear()
            self._retry_at, self._delay = 0.0, FIRST_DELAY
            return
        if self._delay == FIRST_DELAY:
            _log.warning("%s not sent: check urls in [plugin.notify]", plural(len(lines), "message"))
        self._retry_at = time.monotonic() + self._delay
        self._delay = min(2 * self._delay, MAX_DELAY)

    async def _is_sent(self, lines: Sequence[str]) -> bool:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                return await in_thread(partial(send, self._table.urls, lines))
        except Exception as error:  # 130 services are called, each with its own library
            _log.debug("notify: %s", type(error).__name__, exc_info=error)
            return False


def send(urls: Sequence[str], lines: Sequence[str]) -> bool:
    """Send the lines as one message to every URL; runs in a thread."""
    import apprise

    # Its log contains parts of the URLs, and these contain passwords.
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    services = apprise.Apprise()
    is_valid = all([services.add(url) for url in urls])
    sent = services.notify(body="\n".join(lines), title="portmapper", body_format=apprise.NotifyFormat.TEXT)
    return bool(sent) and is_valid
