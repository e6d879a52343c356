"""A server that never closes, which shows when the machine itself is too slow to answer."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import Self

from netlab.hosts import AnsweringHost, exchange
from netlab.lab import Lab
from netlab.prober import Outage, Prober

ADDRESS, PORT = "11.22.44.1", 9
"""The address belongs to no real interface, so that miniupnpd does not use it."""


class Reference:
    """Context that queries a server on the gateway's host from the WAN host.

    Attributes:
        late: seconds in which the server did not answer; complete after the context has ended.
    """

    def __init__(self, lab: Lab) -> None:
        self.late = 0.0
        self._lab = lab
        self._prober = Prober(partial(exchange, lab.wan, "TCP", ADDRESS, PORT))
        self._end = ExitStack()

    def __enter__(self) -> Self:
        server = AnsweringHost(self._lab.router)
        self._end.callback(server.close)
        server.listen("TCP", PORT)
        self._lab.router.ip("addr", "add", f"{ADDRESS}/32", "dev", "lo")
        self._end.callback(self._lab.router.ip, "addr", "del", f"{ADDRESS}/32", "dev", "lo")
        self._lab.wan.ip("route", "add", f"{ADDRESS}/32", "dev", "eth0")
        self._end.callback(self._lab.wan.ip, "route", "del", f"{ADDRESS}/32")
        self._end.enter_context(self._prober)
        return self

    def __exit__(self, *exception: object) -> None:
        self._end.close()
        self.late = sum(outage.length for outage in self._prober.outages)

    def was_slow(self, outage: Outage) -> bool:
        """Return whether the machine did not answer during an outage, after the context has ended."""
        return any(it.began <= outage.ended and outage.began <= it.ended for it in self._prober.outages)
