"""The observer `notify`: looks at the status after each change, and sends messages."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from portmapper.api import Event, Observer, ReadsStatus
from portmapper.support.plugin_state import STATE
from portmapper.support.threads import in_thread
from portmapper.support.wall_clock import wall_now
from portmapper_notify.conditions import Conditions, Message
from portmapper_notify.outbox import Outbox, read_message
from portmapper_notify.settings import KINDS, NotifyTable, is_quiet, rules_of

STATE_NAME = "notify"
LOOK_SECONDS = 15.0
"""Longest time between two looks at the status: no event reports an unreadable list."""

PAUSE = 1.0

_log = logging.getLogger(__name__)


class NotifyObserver(Observer, ReadsStatus):
    """Sends each message once, also across restarts, by the rule of its kind."""

    name = "notify"
    settings: ClassVar[type] = NotifyTable
    end_limit: ClassVar[float] = 3.0

    def __init__(self, *, settings: NotifyTable | None = None) -> None:
        self._rules = rules_of(settings or NotifyTable())
        self._conditions = Conditions({kind: rule.delay for kind, rule in self._rules.items()})
        self._boxes = {url: Outbox(url) for rule in self._rules.values() for url in rule.urls}
        self._status: Callable[[], dict[str, Any]] = dict
        self._changed = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._kept: object = None

    def attach_status(self, status: Callable[[], dict[str, Any]]) -> None:
        """Set the function that returns the status document."""
        self._status = status

    async def start(self) -> None:
        """Start to look at the status."""
        if self._boxes:
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
        await self._restore()
        pause = min(LOOK_SECONDS, *(max(rule.delay, PAUSE) for rule in self._rules.values()))
        while True:
            self._changed.clear()
            for message in self._conditions.compare(self._status(), time.monotonic()):
                self._put(message)
            await self._keep()
            await asyncio.gather(*(box.send(self._is_quiet) for box in self._boxes.values()))
            await self._keep()
            await asyncio.sleep(PAUSE)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._changed.wait()

    def _put(self, message: Message) -> None:
        """Give a message to its receivers. The end of a trouble of which nothing was sent is no news."""
        boxes = self._boxes_of(message.kind)
        if message.ends:
            told = [box for box in self._boxes_of(message.ends) if not box.cancel(message.ends, message.key)]
            untold = [box for box in self._boxes_of(message.ends) if box not in told]
            boxes = [box for box in boxes if told and box not in untold]
        for box in boxes:
            box.add(message)

    def _boxes_of(self, kind: str) -> list[Outbox]:
        rule = self._rules.get(kind)
        return [self._boxes[url] for url in rule.urls] if rule else []

    def _is_quiet(self, kind: str) -> bool:
        return is_quiet(self._rules[kind].quiet_hours, wall_now().astimezone().time())

    async def _keep(self) -> None:
        """Write what must survive a restart, if it has changed."""
        waiting = {box.name: list(box.snapshot()) for box in self._boxes.values()}
        kept = {"conditions": self._conditions.snapshot(), "waiting": waiting}
        if kept == self._kept:
            return
        self._kept = kept
        try:
            await in_thread(partial(STATE.write, STATE_NAME, kept))
        except OSError as error:
            _log.warning("messages may be sent again after a restart: %s", error.strerror)

    async def _restore(self) -> None:
        try:
            kept = await in_thread(partial(STATE.read, STATE_NAME))
        except (OSError, ValueError):
            kept = None  # damaged: begin without it
        if not isinstance(kept, dict):
            return
        self._kept = kept
        self._conditions.restore(kept.get("conditions"))
        waiting = kept.get("waiting")
        for box in self._boxes.values():
            for item in waiting.get(box.name, ()) if isinstance(waiting, dict) else ():
                message = read_message(item, KINDS)
                if message is not None and message.kind in self._rules:
                    box.add(message)
