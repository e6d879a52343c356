"""Reactions to gateway events: restarts, ends, new external addresses, finished searches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping

import attrs

from portmapper.api.backend import Gateway, GatewayEvent, Target
from portmapper.api.errors import UNREACHABLE
from portmapper.api.events import EventKind
from portmapper.api.model import IPAddress, MappingKey
from portmapper.gateways.discovery import Discovery
from portmapper.gateways.probe import Probe
from portmapper.scheduler.event_recorder import EventRecorder
from portmapper.scheduler.lease_state import LeaseState
from portmapper.support.backoff import restart_jitter


class GatewayEvents:
    """Plans rounds for gateway events, once for each change."""

    def __init__(
        self,
        entries: Mapping[MappingKey, LeaseState],
        discovery: Discovery,
        events: EventRecorder,
        plan: Callable[[LeaseState, float], None],
    ) -> None:
        self._entries = entries
        self._discovery = discovery
        self._events = events
        self._plan = plan
        self._gone: set[str] = set()
        self._restart_reports: defaultdict[IPAddress, set[str]] = defaultdict(set)
        self._silent: set[str] = set()

    def restarted_or_gone(self, gateway: Gateway, event: GatewayEvent) -> None:
        """Renew the leases there: the gateway lost its table, or is gone and may come back without it."""
        gone = event is GatewayEvent.GONE
        if gone:
            if gateway.identity in self._gone:
                return  # each further refusal repeats the event
            self._gone.add(gateway.identity)
            self._events.gateway(EventKind.GATEWAY_LOST, gateway)
            self._discovery.search_all()
        else:
            self._gone.discard(gateway.identity)
            self._events.gateway(EventKind.GATEWAY_RESTARTED, gateway)
            self._retry_unopened(gateway, restarted=True)
            for search in self._discovery.searches:
                if gateway in search.gateways:
                    self._move_back(search.target, [gateway.identity])
        # A gateway that says goodbye still has its table. It may end while the rule order is being restored.
        every_protocol = gone or self._is_first_report(gateway)
        self._renew_all_on(gateway, every_protocol=every_protocol, table_is_lost=not gone)

    def _is_first_report(self, gateway: Gateway) -> bool:
        """Return whether no other protocol of the device has reported this restart yet.

        A protocol that is rarely used reports it late, by its epoch, when everything has long been renewed.
        """
        reports = self._restart_reports[gateway.address]
        first = not reports or gateway.identity in reports
        if first:
            reports.clear()
        reports.add(gateway.identity)
        return first

    def answered(self, gateway: Gateway) -> None:
        """Mark the gateway as reachable, and retry what waits for it."""
        self._gone.discard(gateway.identity)
        if gateway.identity in self._silent:
            self._silent.discard(gateway.identity)
            self._retry_unopened(gateway, restarted=False)

    def did_not_answer(self, entry: LeaseState) -> None:
        """Mark the gateways that did not answer in this round, so that their next answer starts retries."""
        self._silent.update(gateway for gateway, error in entry.refusals if isinstance(error, UNREACHABLE))

    def search_finished(self, search: Probe) -> None:
        """Retry entries that found no gateway, and move leases away from gateways that were given up."""
        for entry in self._entries.values():
            given_up = entry.lease is not None and entry.lease.gateway in search.dropped
            is_closed = entry.no_gateway and (entry.lease is None or entry.has_former_address)
            if given_up or (search.gateways and is_closed):
                self._plan(entry, 0.0)
        if search.answering:
            self._move_back(search.target, search.answering)

    def external_address_changed(
        self, gateway: Gateway, before: IPAddress | None, now: IPAddress | None
    ) -> None:
        """Report the gateway's new external address and update its leases, which stay valid."""
        self._events.gateway(EventKind.EXTERNAL_ADDRESS_CHANGED, gateway, f"{before} became {now or 'none'}")
        for entry in self._entries.values():
            if entry.lease is not None and entry.lease.gateway == gateway.identity:
                entry.lease = attrs.evolve(entry.lease, external_address=now)
                self._events.external_address_changed(entry.mapping, entry.lease, before, now)

    def _move_back(self, target: Target, answering: Collection[str]) -> None:
        """Move leases back that went elsewhere because `target` was silent; what it refused stays."""
        away = [e for e in self._entries.values() if e.prefers(target) and not _refused(e, answering)]
        for entry in away:
            entry.moving = True
        self._plan_with_jitter(away)

    def _retry_unopened(self, gateway: Gateway, *, restarted: bool) -> None:
        """Retry what is not open: a gateway that is back has room, and answers for expired leases again.

        A round that is under way must be repeated only if the gateway restarted since the round began.
        """
        waiting = [
            entry
            for entry in self._entries.values()
            if (entry.lease is None or entry.suspect)
            and entry.is_for(str(gateway.address))
            and not entry.is_in_conflict
        ]
        for entry in waiting:
            entry.attempts = min(
                entry.attempts, 1
            )  # restart the backoff, but do not report the failure again
        self._plan_with_jitter([entry for entry in waiting if restarted or entry.due is not None])

    def _renew_all_on(self, gateway: Gateway, *, every_protocol: bool, table_is_lost: bool) -> None:
        """Renew all leases on this device that were opened over this protocol, or over any protocol."""
        device = {gateway.identity}
        if every_protocol:
            device |= {g.identity for g in self._discovery.gateways if g.address == gateway.address}
        affected = [e for e in self._entries.values() if e.lease is not None and e.lease.gateway in device]
        for entry in affected:
            entry.suspect = True
            entry.order_unknown = entry.order_unknown or table_is_lost
            entry.attempts = 0
        self._plan_with_jitter(affected)

    def _plan_with_jitter(self, entries: list[LeaseState]) -> None:
        """Plan a round of each entry soon, but not all at once.

        The two protocols of one port get the same delay, in the order in which they were opened: see
        `portmapper.scheduler.protocol_pairs`.
        """
        delays: dict[object, float] = {}
        for entry in sorted(entries, key=lambda e: e.opened_at.timestamp() if e.opened_at else 0.0):
            self._plan(entry, delays.setdefault(entry.mapping.key[1:], restart_jitter(len(entries))))


def _refused(entry: LeaseState, gateways: Collection[str]) -> bool:
    """Return whether one of the gateways refused before another granted; no answer is no refusal."""
    return any(
        gateway in gateways and not isinstance(error, UNREACHABLE) for gateway, error in entry.passed_over
    )
