"""Searches one target: probes all backends in parallel and ranks the gateways that answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from typing import cast

from portmapper.api.backend import Backend, EndsSearch, Gateway, Target
from portmapper.api.errors import BackendError, GatewayTimeout, PortmapperError, quoted
from portmapper.api.late_reading import ReadsLate
from portmapper.api.learning import LearnsBehavior
from portmapper.gateways.brief import Brief, KnownGateways, LearnedBy, NothingKnown, remember
from portmapper.pluginhost import guard
from portmapper.pluginhost.faults import record_fault

GRACE = 0.2
"""Seconds to wait for a better protocol after the first answer; a round trip on a LAN takes a few ms."""

ROUND_LIMIT = 20.0
"""Seconds after which the search of a backend without its own time limit is canceled. Loading the libraries
alone takes several seconds on a slow machine."""

MAX_GATEWAYS = 64
"""Maximum number of gateways of one backend at one target; a home network has one or two."""

ROUNDS_BEFORE_DROPPED = 2
"""Consecutive rounds without an answer before a gateway is dropped, while others answer. A gateway that boots
starts its protocols one after another, and its last known epoch is needed to detect the restart."""

ROUNDS_BEFORE_FORGOTTEN = 10
"""Rounds after which a dropped gateway causes no more searches; with growing delays, about five minutes."""


class Probe:
    """The search of one target, in repeated rounds.

    Attributes:
        target: the target.
        gateways: the gateways that answered, best first.
        failures: backend name to the reason why it found nothing in this round.
        settled: a gateway can be selected: no better answer can arrive, or the grace period is over.
        done: the round is over.
        dropped: identities of the gateways that this round dropped.
    """

    def __init__(
        self,
        target: Target,
        backends: Sequence[Backend],
        changed: Callable[[Probe], None],
        *,
        brief: Brief | None = None,
        known: KnownGateways | None = None,
        leaves_unread: bool = False,
    ) -> None:
        """Prepare the search.

        Args:
            target: the target.
            backends: all backends, best first.
            changed: called when the search settles, when it ends, and when a late answer arrives.
            brief: how to shorten the search; None searches for as long as a gateway may answer.
            known: remembers what answered; by default that of `brief`.
            leaves_unread: a backend may leave a gateway unread where a better one answers.
        """
        self.target = target
        self._brief = brief
        self._known = known or (brief.known if brief else NothingKnown())
        self.gateways: list[Gateway] = []
        self.failures: dict[str, BackendError] = {}
        self.settled = False
        self.done = False
        self.dropped: frozenset[str] = frozenset()
        self._backends = [backend for backend in backends if target.family in backend.families]
        self._order = [backend.name for backend in backends]
        self._changed = changed
        self._leaves_unread = leaves_unread
        self._running: set[str] = set()
        self._round: asyncio.TaskGroup | None = None
        self._answered: set[str] = set()
        self._answered_elsewhere = False
        self._missed: dict[str, int] = {}
        self._superseded: list[Gateway] = []
        self._grace: asyncio.TimerHandle | None = None

    @property
    def answering(self) -> frozenset[str]:
        """Identities of the gateways that have answered in this round."""
        return frozenset(self._answered)

    def is_missing(self, backend: str) -> bool:
        """Tell whether the last search of this backend ended without a gateway, perhaps before its round."""
        ended = self.done or (self._round is not None and backend not in self._running)
        return ended and not any(gateway.backend == backend for gateway in self.gateways)

    def search_again(self, backend: str) -> bool:
        """Search with one backend again within the present round; return False if there is none.

        A gateway that starts may refuse PCP at first, and the round waits seconds longer for UPnP.
        """
        if self._round is None or not self._running:
            return False
        self._running.add(backend)
        self.failures.pop(backend, None)
        self._tell_late_readers()
        known = next(known for known in self._backends if known.name == backend)
        self._round.create_task(self._probe(known))
        return True

    @property
    def default_answers(self) -> bool:
        """Whether the default gateway has answered in this round."""
        answered = (gateway for gateway in self.gateways if gateway.identity in self._answered)
        return any(gateway.address == self.target.gateway for gateway in answered)

    def end_soon(self) -> None:
        """End a brief search soon, because a gateway answered elsewhere, unless the user named this one."""
        if self._brief is not None and not self.done and not self.target.chosen:
            self._answered_elsewhere = True
            self._hurry(self._brief)

    async def round(self) -> bool:
        """Probe with all backends in parallel, and return whether every known gateway answered.

        A gateway that answers again keeps its object, and with it the known epoch, unless its description
        moved. If a gateway does not answer while others do, it is dropped in the second such round: a gateway
        that boots starts its protocols one after another. If none answers, the gateway may be rebooting, so
        all of them are kept.
        """
        self.settled = self.done = False
        self.dropped = frozenset()
        self.failures.clear()
        self._answered.clear()
        self._running = {backend.name for backend in self._backends}
        self._tell_late_readers()
        try:
            async with asyncio.TaskGroup() as self._round:
                for backend in self._backends:
                    self._round.create_task(self._probe(backend))
        finally:
            self._round = None
            self._stop_grace()
        if self._answered:
            self._drop_unresponsive()
        if self.default_answers or self._answered_elsewhere:
            answered = [gateway for gateway in self.gateways if gateway.identity in self._answered]
            remember(self._known, self.target, answered, {b.name for b in self._backends})
        self.done = True
        self._settle()
        await self._close_superseded()
        return bool(self._answered) and not self._missed

    def _drop_unresponsive(self) -> None:
        known = {gateway.identity for gateway in self.gateways} | self._missed.keys()
        missed = {identity: self._missed.get(identity, 0) + 1 for identity in known - self._answered}
        self.dropped = frozenset(name for name, rounds in missed.items() if rounds == ROUNDS_BEFORE_DROPPED)
        self._missed = {name: rounds for name, rounds in missed.items() if rounds < ROUNDS_BEFORE_FORGOTTEN}
        self._superseded += [g for g in self.gateways if g.identity in self.dropped]
        self.gateways = [g for g in self.gateways if g.identity not in self.dropped]

    async def close(self) -> None:
        """Close all gateways."""
        self._superseded += self.gateways
        self.gateways = []
        await self._close_superseded()

    async def _close_superseded(self) -> None:
        while self._superseded:
            gateway = self._superseded.pop()
            await guard.close(f"backend:{gateway.backend}", gateway)

    async def _probe(self, backend: Backend) -> None:
        try:
            await guard.run(f"backend:{backend.name}", self._search(backend), ROUND_LIMIT)
        except BackendError as error:
            self.failures[backend.name] = error
        except TimeoutError:
            self.failures[backend.name] = GatewayTimeout(f"the search did not end within {ROUND_LIMIT:.0f} s")
        except PortmapperError as error:
            self.failures[backend.name] = BackendError(str(error))
        self._running.discard(backend.name)
        self._tell_late_readers()
        if self._no_better_pending():
            self._settle()

    async def _search(self, backend: Backend) -> None:
        """Search, and at the same time query the description that the last run knew, if any."""
        direct = self._brief and self._brief.direct(self.target, backend)
        if not direct:
            await self._collect(backend, self.target)
            return
        query = asyncio.create_task(self._query(backend, direct))
        search = asyncio.create_task(self._collect(backend, self.target))
        try:
            await asyncio.wait([query, search], return_when=asyncio.FIRST_COMPLETED)
            if not (query.done() and query.result()):
                await search
        finally:
            query.cancel()
            search.cancel()
            await asyncio.gather(query, search, return_exceptions=True)

    async def _query(self, backend: Backend, direct: Target) -> bool:
        """Query a known description; return whether the default gateway answered."""
        try:
            await self._collect(backend, direct)
        except BackendError:
            return False
        return any(g.backend == backend.name and g.identity in self._answered for g in self.gateways)

    async def _collect(self, backend: Backend, target: Target) -> None:
        answers = cast(AsyncGenerator[Gateway, None], backend.discover(target))
        found: set[str] = set()
        async with aclosing(answers):
            async for gateway in answers:
                if (reason := gateway_fault(gateway, backend)) is not None:
                    raise record_fault(f"backend:{backend.name}", reason)
                found.add(gateway.identity)
                if len(found) > MAX_GATEWAYS:
                    reason = f"it found more than {MAX_GATEWAYS} gateways"
                    raise record_fault(f"backend:{backend.name}", reason)
                if target is not self.target and gateway.address != self.target.gateway:
                    self._superseded.append(gateway)  # another host has taken the address in the known URL
                elif backend.name in self._running:
                    self._add(gateway)

    def _add(self, gateway: Gateway) -> None:
        self._answered.add(gateway.identity)
        known = next((old for old in self.gateways if old.identity == gateway.identity), None)
        if known is not None and known.location == gateway.location and (gateway.unread or not known.unread):
            self._superseded.append(gateway)
            gateway = known
        elif known is not None:
            self._superseded.append(known)
            self.gateways.remove(known)
        if gateway is not known:
            if isinstance(gateway, LearnsBehavior):
                gateway.start_from(LearnedBy(self._known, gateway))
            self.gateways.append(gateway)
            self.gateways.sort(key=self._preference)
        self._tell_late_readers()
        if self._brief is not None and gateway.address == self.target.gateway:
            self._hurry(self._brief, answered=gateway.backend)
        if self.settled or self._no_better_pending():
            self._settle()
        elif self._grace is None:
            self._grace = asyncio.get_running_loop().call_later(GRACE, self._settle)

    def _hurry(self, brief: Brief, answered: str = "") -> None:
        """Let the searches of all backends but this one end soon."""
        for backend in self._backends:
            if isinstance(backend, EndsSearch) and backend.name in self._running - {answered}:
                end = partial(backend.end_search, self.target, brief.patience(self.target, backend))
                guard.tell(f"backend:{backend.name}", end)

    def _tell_late_readers(self) -> None:
        """Tell the backends that may leave a gateway unread where a better one has answered, or still may."""
        for number, backend in enumerate(self._backends):
            if isinstance(backend, ReadsLate):
                better = {other.name for other in self._backends[:number]} if self._leaves_unread else set()
                answered = {g for g in self.gateways if g.backend in better and g.identity in self._answered}
                addresses = {gateway.address for gateway in answered}
                may_follow = any(not self._was_absent(name) for name in better & self._running)
                alone = len(self._backends) == 1
                told = partial(backend.others_answered, may_follow=may_follow, alone=alone)
                guard.tell(f"backend:{backend.name}", partial(told, self.target, addresses))

    def _was_absent(self, backend: str) -> bool:
        """Tell whether a backend found nothing in the last search, of this run or an earlier one."""
        gateway = self.target.gateway
        return gateway is None or self._known.location(gateway, backend) == ""

    def _preference(self, gateway: Gateway) -> tuple[int, bool]:
        """Sort by backend, then the default gateway first (CONFORMANCE D9)."""
        return (self._order.index(gateway.backend), gateway.address != self.target.gateway)

    def _no_better_pending(self) -> bool:
        answered = [g for g in self.gateways if g.identity in self._answered]
        if not answered:
            return False
        best = self._order.index(answered[0].backend)
        return not any(name in self._running for name in self._order[:best])

    def _settle(self) -> None:
        self._stop_grace()
        self.settled = True
        self._changed(self)

    def _stop_grace(self) -> None:
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None


def hurry_others(ended: Probe, probes: Iterable[Probe]) -> None:
    """End the brief searches of the other targets soon, once the default gateway of one has answered."""
    if ended.done and ended.default_answers:
        for other in probes:
            other.end_soon()


def gateway_fault(gateway: object, backend: Backend) -> str | None:
    """Return what is invalid in a gateway that a backend found, or None if it is valid."""
    if not isinstance(gateway, Gateway):
        return f"it found {quoted(gateway)}, which is not a gateway"
    if gateway.backend != backend.name:
        return f"it found a gateway of the backend {gateway.backend}"
    for name in ("address", "local_address"):
        if not isinstance(getattr(gateway, name, None), IPv4Address | IPv6Address):
            return f"its gateway has no `{name}`"
    for name in ("protocol", "model", "server", "identity"):
        if not isinstance(getattr(gateway, name, None), str):
            return f"its gateway has no `{name}`"
    if not isinstance(gateway.concurrency, int) or gateway.concurrency < 1:
        return f"its gateway has the concurrency {quoted(gateway.concurrency)}"
    return None
