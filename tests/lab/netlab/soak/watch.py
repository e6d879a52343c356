"""Who asks from outside during a soak: one prober for each port that is listed, and one for the machine."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial
from typing import Self

from netlab.hosts import AnsweringHost, exchange
from netlab.keeping import Kept, Way
from netlab.lab import Lab
from netlab.prober import Outage, Prober
from netlab.soak.lateness import is_blocked, waited

REFERENCE, REFERENCE_PORT = "11.22.44.1", 9
"""Answers on the gateway's host itself and never closes: when it does not answer, the machine is late. The
address is of no interface, so that miniupnpd does not take it for its own."""


class Watch:
    """Probers while it is entered.

    Attributes:
        asked: how many questions were put about listed ports; complete once it has ended.
        void: how many outages do not count, because the reference did not answer either.
        late: seconds in which the reference did not answer.
    """

    def __init__(self, lab: Lab, kept: Kept) -> None:
        self.requested = 0
        self.void = 0
        self.late = 0.0
        self._lab = lab
        self._kept = kept
        self._asking: dict[Way, ExitStack] = {}
        self._probers: list[tuple[Way, Prober]] = []
        self._end = ExitStack()
        self._reference = Prober(partial(exchange, lab.wan, "TCP", REFERENCE, REFERENCE_PORT))

    def __enter__(self) -> Self:
        machine = AnsweringHost(self._lab.router)
        self._end.callback(machine.close)
        machine.listen("TCP", REFERENCE_PORT)
        self._lab.router.ip("addr", "add", f"{REFERENCE}/32", "dev", "lo")
        self._lab.wan.ip("route", "add", f"{REFERENCE}/32", "dev", "eth0")
        self._end.enter_context(self._reference)
        self.follow()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop(list(self._asking))
        self._end.close()
        self.requested = sum(prober.requested for _, prober in self._probers)
        self.late = sum(outage.length for outage in self._reference.outages)

    def follow(self) -> None:
        """Ask for what is listed now, and no longer for what is not."""
        self._stop([way for way in self._asking if way not in self._kept.ways])
        for way in self._kept.ways:
            if way not in self._asking:
                prober = Prober(partial(self._ask_if_listed, way), self._lateness, self._is_blocked)
                self._probers.append((way, prober))
                self._asking[way] = ExitStack()
                self._asking[way].enter_context(prober)

    def outages(self) -> list[tuple[Way, Outage]]:
        """Return what counts, in order; the watch has ended."""
        seen = [(way, outage) for way, prober in self._probers for outage in prober.outages]
        counting = [(way, outage) for way, outage in seen if not self._machine_was_late(outage)]
        self.void = len(seen) - len(counting)
        return sorted(counting, key=lambda item: item[1].began)

    def _is_blocked(self) -> bool:
        return is_blocked(self._lab.gateway.pid)

    def _lateness(self) -> float:
        """Tell how long those waited for a processor who renew."""
        return waited(self._lab.gateway.pid) + waited(self._kept.running.process.pid)

    def _stop(self, ways: Iterable[Way]) -> None:
        for way in ways:
            self._asking.pop(way).close()

    def _machine_was_late(self, outage: Outage) -> bool:
        late = self._reference.outages
        return any(it.began <= outage.ended and outage.began <= it.ended for it in late)

    def _ask_if_listed(self, way: Way) -> str | None:
        # A row that is taken away ends its questions before anybody can have closed the port.
        if way not in self._kept.ways:
            return ""
        protocol, port = way
        return exchange(self._lab.wan, protocol, self._kept.asks, port)
