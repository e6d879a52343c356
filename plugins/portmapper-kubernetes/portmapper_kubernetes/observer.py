"""Observer that follows the daemon's table, and reports it to the API server while this replica leads."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from portmapper.api import Event, Guard, Metrics, MetricsPage, Observer, ReadsStatus, ShowsMetrics
from portmapper_kubernetes.api_errors import CONFLICT, ApiFailure
from portmapper_kubernetes.conditions import states_of
from portmapper_kubernetes.controller import Controller, own_addresses
from portmapper_kubernetes.health import HealthServer
from portmapper_kubernetes.object_writer import ObjectWriter

if TYPE_CHECKING:
    from portmapper_kubernetes.shared_secret import SharedSecret

MIN_PAUSE = 0.1
"""Seconds between two reports."""

WAITING_PAUSE = 1.0
"""Seconds until the next report while something waits to be written."""

LONGEST_PAUSE = 15.0
"""Seconds after which a report is made without a known change."""

HELD_BACK_AFTER = 15.0
"""Seconds after a takeover until ports of rows that are held back are closed.

Until then, a row with `when` may wait only because the sockets of this host were not read yet.
"""

OUTAGE_PAUSE = 5.0
REQUEST_LIMIT = 5.0

_log = logging.getLogger(__name__)


class KubernetesObserver(Observer, ReadsStatus, ShowsMetrics):
    """Reports the state of ports to their objects."""

    name = "kubernetes"

    def __init__(self, controller: Controller, guard: Guard | None, secret: SharedSecret | None) -> None:
        self._controller = controller
        self._guard = guard
        self._secret = secret
        self._status: Callable[[], dict[str, Any]] = dict
        self._measure: Callable[[], Metrics] | None = None
        self._writer = ObjectWriter(controller)
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._health = HealthServer(controller, guard, self.page)
        self._error = ""
        self._held_back_at = math.inf

    def attach_status(self, status: Callable[[], dict[str, Any]]) -> None:
        """Set the function that returns the daemon's status document."""
        self._status = status

    def attach(self, measure: Callable[[], Metrics]) -> None:
        """Set the function that returns the daemon's metrics."""
        self._measure = measure

    async def start(self) -> None:
        """Listen for health checks, and begin to report."""
        await self._health.start()
        self._controller.listen(self._woken.set)
        if not self._controller.settings.dry_run:
            self._controller.must_hold_back = self._writer.will_add_finalizer
        self._task = asyncio.create_task(self._report_forever())

    async def observe(self, event: Event) -> None:
        """Follow which ports are open, and report soon."""
        self._controller.open_ports.observe(event)
        self._woken.set()

    async def close(self) -> None:
        """Stop reporting."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._health.close()

    async def page(self) -> MetricsPage:
        """Return the metrics in the Prometheus text format."""
        from portmapper_kubernetes.metrics import CONTENT_TYPE, text_of

        leads = self._guard is None or self._guard.leading.is_set()
        body = text_of(self._measure() if self._measure else None, self._controller, leads=leads)
        return MetricsPage(CONTENT_TYPE, body)

    async def _report_forever(self) -> None:
        if self._guard is not None:
            await self._guard.wait_until_leading()
        pause, took = 0.0, 0.0
        clock = asyncio.get_running_loop().time
        self._held_back_at = clock() + HELD_BACK_AFTER
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()
            await asyncio.sleep(min(max(MIN_PAUSE, took), WAITING_PAUSE))  # a large table is read less often
            self._woken.clear()
            started = clock()
            pause = await self._report()
            took = clock() - started

    async def _report(self) -> float:
        """Report once, and return the seconds until the next report without a change."""
        if self._guard is not None and not self._guard.may_act():
            return WAITING_PAUSE
        status = self._status()
        self._follow(status)
        if self._controller.settings.dry_run or not self._controller.is_settled:
            return LONGEST_PAUSE
        try:
            await self._write(status)
        except ApiFailure as failure:
            if self._error != str(failure):
                self._error = str(failure)
                _log.warning("cannot report to the API server: %s; trying again", failure)
            return OUTAGE_PAUSE
        self._error = ""
        return WAITING_PAUSE if self._writer.waiting or len(self._controller.closing) else LONGEST_PAUSE

    def _follow(self, status: dict[str, Any]) -> None:
        """Note the open ports, and go on with those that are being closed."""
        from portmapper_kubernetes.open_ports import OpenPort

        for mapping in status["mappings"]:
            port = OpenPort.of_document(mapping) if mapping.get("origin") else None
            if port is not None:
                self._controller.open_ports.add(port, mapping["origin"])
        closing = self._controller.closing
        is_changed = closing.check(status["mappings"])
        if asyncio.get_running_loop().time() >= self._held_back_at:
            self._held_back_at = math.inf
            if not self._controller.settings.keeps:
                is_changed |= closing.begin_held_back(status["mappings"])
        if is_changed:
            self._controller.changed()

    async def _write(self, status: dict[str, Any]) -> None:
        server = await self._controller.server()
        states = states_of(self._controller.verdicts(), status, frozenset(own_addresses()))
        await self._writer.write(server, states)
        if self._secret is not None and self._secret.is_loaded:
            await self._save(self._secret)

    async def _save(self, secret: SharedSecret) -> None:
        """Write the record of open ports. If somebody else changed the Secret, read it, and write later."""
        record = self._controller.open_ports.pack()
        if record == secret.record:
            return
        try:
            await secret.save(record)
        except ApiFailure as failure:
            if failure.status == CONFLICT:
                await secret.load(REQUEST_LIMIT)
            raise
