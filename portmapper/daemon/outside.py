"""Checks from time to time whether the open ports are reachable from outside; off without a probe server.

The probe is imported only for the first round, because most daemons have no probe server.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portmapper.api.errors import UsageError
from portmapper.api.events import Event, EventKind
from portmapper.support.values import frozen

if TYPE_CHECKING:
    from portmapper.config.schema import ProbeSettings
    from portmapper.network.host import Network
    from portmapper.probe.check import Outcome
    from portmapper.probe.evidence import OpenPort, Verdict
    from portmapper.probe.exchange import ProbeServer
    from portmapper.support.clock import Clock

MAX_PORTS = 48
"""Ports in one round; of more, each round checks those that were checked least recently."""

SETTLE = 2.0
"""Seconds after a port was opened before it is checked."""

MIN_GAP = 30.0
"""Seconds between two rounds, however often ports are opened."""

JITTER = 0.1
"""Share by which the interval varies, so that many hosts do not ask one server at the same time."""

NEWS = frozenset({EventKind.OPENED, EventKind.EXTERNAL_PORT_CHANGED, EventKind.EXTERNAL_ADDRESS_CHANGED})

_log = logging.getLogger(__name__)

Document = dict[str, Any]
Check = Callable[["ProbeServer", "list[OpenPort]"], Any]
Listen = Callable[[Callable[[Event], None]], Callable[[], None]]


@frozen
class Checked:
    """The last result for a port.

    Attributes:
        at: when, in RFC 3339.
        verdict: the result.
        serial: number of the round.
    """

    at: str
    verdict: Verdict
    serial: int

    def document(self) -> Document:
        """Return the result as `reachable` of a mapping."""
        return {
            "state": self.verdict.state.value,
            "at": self.at,
            "seen_from": str(self.verdict.seen_from) if self.verdict.seen_from else None,
            "reason": self.verdict.reason,
        }


class OutsideCheck:
    """Runs the rounds, and keeps the last result of each port."""

    def __init__(
        self,
        settings: Callable[[], ProbeSettings],
        network: Callable[[], Network],
        clock: Clock,
        check: Check | None = None,
    ) -> None:
        """Prepare the checks; nothing is sent before `run`.

        Args:
            settings: returns the current settings.
            network: reads this host's network.
            clock: the daemon's clock.
            check: checks ports; only tests use another one than the probe's own.
        """
        self._settings = settings
        self._network = network
        self._clock = clock
        self._check = check
        self._results: dict[OpenPort, Checked] = {}
        self._due = math.inf
        self._last = -MIN_GAP
        self._serial = 0
        self._woken = asyncio.Event()

    async def run(self, status: Callable[[], Document], listen: Listen) -> None:
        """Check at each interval, and soon after ports were opened, until canceled."""
        stop_listening = listen(self.observe)
        self.soon()
        try:
            while True:
                wait = self._due - self._clock.monotonic() if self._settings().url else None
                if wait is None or wait > 0:
                    await self._clock.wait(self._woken, wait)
                    self._woken.clear()
                else:
                    await self.round(status()["mappings"])
        finally:
            stop_listening()

    def soon(self) -> None:
        """Check as soon as the rate allows; called after a start, a reload or a change of ports."""
        now = self._clock.monotonic()
        self._due = min(self._due, max(now + SETTLE, self._last + MIN_GAP))
        self._woken.set()

    def observe(self, event: Event) -> None:
        """Check soon after an event that may change the results."""
        if event.kind in NEWS:
            self.soon()

    async def round(self, mappings: Iterable[Mapping[str, Any]]) -> None:
        """Check the open ports, those first whose result is oldest."""
        settings = self._settings()
        ports = [port for _, port in self._with_ports(mappings) if port is not None]
        self._results = {port: self._results[port] for port in ports if port in self._results}
        ports.sort(key=lambda port: self._results[port].serial if port in self._results else 0)
        self._serial += 1
        # A port that is opened during the round makes the next one due sooner.
        now = self._clock.monotonic()
        self._due = now + settings.interval * random.uniform(1 - JITTER, 1 + JITTER)
        if ports:
            self._last = now
            outcomes = await self._outcomes(settings, ports[:MAX_PORTS])
            at = self._clock.now().replace(microsecond=0).isoformat()
            for port, verdict in outcomes:
                self._keep(port, Checked(at, verdict, self._serial))

    def annotated(self, document: Document) -> Document:
        """Return a status document with the results in its mappings."""
        if not self._settings().url or not self._results:
            return {**document, "probe": None}
        mappings = [
            {**mapping, "reachable": self._results[port].document()} if port in self._results else mapping
            for mapping, port in self._with_ports(document["mappings"])
        ]
        return {**document, "mappings": mappings, "probe": self._summary()}

    def _summary(self) -> Document:
        """Return the last address that the internet sees."""
        newest = max(self._results.values(), key=lambda checked: checked.serial)
        seen = [c.verdict.seen_as for c in self._results.values() if c.verdict.seen_as is not None]
        address = next((seen_as for seen_as in seen if seen_as.version == 4), None)
        return {"at": newest.at, "external_address": str(address) if address else None}

    async def _outcomes(self, settings: ProbeSettings, ports: list[OpenPort]) -> list[Outcome]:
        from portmapper.probe.check import check_ports
        from portmapper.probe.evidence import Cause, State, Verdict
        from portmapper.probe.exchange import ProbeServer
        from portmapper.probe.server_url import read_authority, read_token

        try:
            token = read_token(Path(settings.token_file) if settings.token_file else None)
            authority = read_authority(Path(settings.ca_file) if settings.ca_file else None)
        except UsageError as error:
            return [(port, Verdict(State.UNKNOWN, Cause.NO_PROBE, str(error))) for port in ports]
        check = self._check or check_ports
        outcomes: list[Outcome] = await check(ProbeServer(settings.url, token, authority), ports)
        return outcomes

    def _keep(self, port: OpenPort, checked: Checked) -> None:
        from portmapper.probe.evidence import State

        known, verdict = self._results.get(port), checked.verdict
        self._results[port] = checked
        if known is not None and known.verdict.cause is verdict.cause:
            return
        if verdict.state is State.YES:
            _log.info("%s is reachable from outside, seen from %s", port.name, verdict.seen_from)
        elif verdict.state is State.NO:
            _log.warning("%s is not reachable from outside: %s", port.name, verdict.reason)
        else:
            _log.info("it is unknown whether %s is reachable from outside: %s", port.name, verdict.reason)

    def _with_ports(
        self, mappings: Iterable[Mapping[str, Any]]
    ) -> Iterable[tuple[Mapping[str, Any], OpenPort | None]]:
        from portmapper.probe.ports import open_port

        is_ours = self._network().is_ours
        return [(mapping, open_port(mapping, is_ours)) for mapping in mappings]
