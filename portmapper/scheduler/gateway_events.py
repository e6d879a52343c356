"""What gateways tell unasked, and what follows for the mappings that stand there."""

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
    """Turns a gateway's word into rounds, once for each change."""

    def __init__(
        self,
        entries: Mapping[MappingKey, LeaseState],
        discovery: Discovery,
        tell: EventRecorder,
        plan: Callable[[LeaseState, float], None],
    ) -> None:
        self._entries = entries
        self._discovery = discovery
        self._tell = tell
        self._plan = plan
        self._gone: set[str] = set()
        self._told: defaultdict[IPAddress, set[str]] = defaultdict(set)
        self._silent: set[str] = set()

    def came_or_went(self, gateway: Gateway, event: GatewayEvent) -> None:
        """Renew what stands there: it lost its table, or is gone and may come back without one."""
        if event is GatewayEvent.GONE:
            if gateway.identity in self._gone:
                return  # every further refusal says the same
            self._gone.add(gateway.identity)
            self._tell.gateway(EventKind.GATEWAY_LOST, gateway)
            self._discovery.search_all()
        else:
            self._gone.discard(gateway.identity)
            self._tell.gateway(EventKind.GATEWAY_RESTARTED, gateway)
            self._ask_again(gateway, restarted=True)
            for search in self._discovery.searches:
                if gateway in search.gateways:
                    self._call_back(search.target, [gateway.identity])
        gone = event is GatewayEvent.GONE
        # Who says goodbye has its table still, and may end in the midst of what would put it in order.
        self._renew_all_at(gateway, over_each=gone or self._is_first_to_tell(gateway), table_is_lost=not gone)

    def _is_first_to_tell(self, gateway: Gateway) -> bool:
        """Tell whether no other protocol of the device has told of this restart yet.

        One that is seldom asked tells of it late, by its epoch, when all has long been renewed.
        """
        told = self._told[gateway.address]
        first = not told or gateway.identity in told
        if first:
            told.clear()
        told.add(gateway.identity)
        return first

    def answered(self, gateway: Gateway) -> None:
        """Take note that it is there: its next goodbye is news, and who waits for it is tried at once."""
        self._gone.discard(gateway.identity)
        if gateway.identity in self._silent:
            self._silent.discard(gateway.identity)
            self._ask_again(gateway, restarted=False)

    def failed(self, entry: LeaseState) -> None:
        """Take note of the gateways that did not answer, so that their first answer is news."""
        self._silent.update(gateway for gateway, error in entry.refusals if isinstance(error, UNREACHABLE))

    def searched(self, search: Probe) -> None:
        """Try what had nobody to ask, and move what stands at a gateway that was given up."""
        for entry in self._entries.values():
            given_up = entry.lease is not None and entry.lease.gateway in search.dropped
            is_closed = entry.no_gateway and (entry.lease is None or entry.is_of_former_address)
            if given_up or (search.gateways and is_closed):
                self._plan(entry, 0.0)
        if search.answering:
            self._call_back(search.target, search.answering)

    def moved(self, gateway: Gateway, before: IPAddress | None, now: IPAddress | None) -> None:
        """Tell that it has another external address; leases stay."""
        self._tell.gateway(EventKind.EXTERNAL_ADDRESS_CHANGED, gateway, f"{before} became {now or 'none'}")
        for entry in self._entries.values():
            if entry.lease is not None and entry.lease.gateway == gateway.identity:
                entry.lease = attrs.evolve(entry.lease, external_address=now)
                self._tell.moved(entry.mapping, entry.lease, before, now)

    def _call_back(self, target: Target, answering: Collection[str]) -> None:
        """Move to a target that answers what is open elsewhere because it did not; what it refused stays."""
        away = [e for e in self._entries.values() if e.stands_behind(target) and not _refused(e, answering)]
        for entry in away:
            entry.moving = True
        self._plan_spread(away)

    def _ask_again(self, gateway: Gateway, *, restarted: bool) -> None:
        """Try what is not open: a gateway that is back has room, and an answer for what ran out meanwhile.

        A round that is under way began in its silence and has to be repeated only where it restarted since.
        """
        waiting = [
            entry
            for entry in self._entries.values()
            if (entry.lease is None or entry.suspect)
            and entry.is_for(str(gateway.address))
            and not entry.is_held_by_another
        ]
        for entry in waiting:
            entry.attempts = min(entry.attempts, 1)  # its failure has been told; its pauses begin anew
        self._plan_spread([entry for entry in waiting if restarted or entry.due is not None])

    def _renew_all_at(self, gateway: Gateway, *, over_each: bool, table_is_lost: bool) -> None:
        """Renew all that stands on this device, over whichever protocol it was opened, or over this one."""
        device = {gateway.identity}
        if over_each:
            device |= {g.identity for g in self._discovery.gateways if g.address == gateway.address}
        affected = [e for e in self._entries.values() if e.lease is not None and e.lease.gateway in device]
        for entry in affected:
            entry.suspect = True
            entry.order_unknown = entry.order_unknown or table_is_lost
            entry.attempts = 0
        self._plan_spread(affected)

    def _plan_spread(self, entries: list[LeaseState]) -> None:
        """Begin a round of each soon, not all at once.

        The two protocols of one port come together, and in the order of their opening: see
        `portmapper.scheduler.protocol_pairs`.
        """
        delays: dict[object, float] = {}
        for entry in sorted(entries, key=lambda e: e.opened_at.timestamp() if e.opened_at else 0.0):
            self._plan(entry, delays.setdefault(entry.mapping.key[1:], restart_jitter(len(entries))))


def _refused(entry: LeaseState, gateways: Collection[str]) -> bool:
    """Tell whether one of these said no before another granted it; silence is no answer."""
    return any(gateway in gateways and not isinstance(error, UNREACHABLE) for gateway, error in entry.passed_over)
