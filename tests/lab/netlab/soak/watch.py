"""Probers of a soak: one for each listed port, and one for the machine itself."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial
from typing import Self

from netlab.cpu_wait import cpu_wait, is_blocked
from netlab.hosts import exchange
from netlab.lab import Lab
from netlab.managed_daemon import Endpoint, ManagedDaemon
from netlab.prober import Outage, Prober
from netlab.reference import Reference


class Watch:
    """Context that runs the probers.

    Attributes:
        requested: number of queries for listed ports; complete after the context has ended.
        void: number of outages that do not count, because the reference did not answer either.
        late: seconds in which the reference did not answer.
    """

    def __init__(self, lab: Lab, managed: ManagedDaemon) -> None:
        self.requested = 0
        self.void = 0
        self.late = 0.0
        self._lab = lab
        self._managed = managed
        self._active: dict[Endpoint, ExitStack] = {}
        self._probers: list[tuple[Endpoint, Prober]] = []
        self._reference = Reference(lab)

    def __enter__(self) -> Self:
        self._reference.__enter__()
        self.update()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop(list(self._active))
        self._reference.__exit__(*exception)
        self.requested = sum(prober.requested for _, prober in self._probers)
        self.late = self._reference.late

    def update(self) -> None:
        """Start probers for new ports, and stop those of removed ports."""
        self._stop([endpoint for endpoint in self._active if endpoint not in self._managed.endpoints])
        for endpoint in self._managed.endpoints:
            if endpoint not in self._active:
                prober = Prober(partial(self._query_if_listed, endpoint), self._waited, self._is_blocked)
                self._probers.append((endpoint, prober))
                self._active[endpoint] = ExitStack()
                self._active[endpoint].enter_context(prober)

    def outages(self) -> list[tuple[Endpoint, Outage]]:
        """Return the outages that count, in order; call this after the context has ended."""
        seen = [(endpoint, outage) for endpoint, prober in self._probers for outage in prober.outages]
        counting = [(endpoint, outage) for endpoint, outage in seen if not self._reference.was_slow(outage)]
        self.void = len(seen) - len(counting)
        return sorted(counting, key=lambda item: item[1].began)

    def _is_blocked(self) -> bool:
        return is_blocked(self._lab.gateway.pid)

    def _waited(self) -> float:
        """Return the seconds that gateway and daemon have waited for a processor."""
        return cpu_wait(self._lab.gateway.pid) + cpu_wait(self._managed.running.process.pid)

    def _stop(self, endpoints: Iterable[Endpoint]) -> None:
        for endpoint in endpoints:
            self._active.pop(endpoint).close()

    def _query_if_listed(self, endpoint: Endpoint) -> str | None:
        # Queries for a removed row stop before the port can be closed.
        if endpoint not in self._managed.endpoints:
            return ""
        protocol, port = endpoint
        return exchange(self._lab.wan, protocol, self._managed.external_address, port)
