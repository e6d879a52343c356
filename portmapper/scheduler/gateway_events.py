"""Turns what gateways tell into inputs for the mappings that are open there, one for each change."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import chain

from portmapper.api.backend import Gateway, Target
from portmapper.api.errors import UNREACHABLE, BackendError
from portmapper.api.events import EventKind
from portmapper.api.model import IPAddress, MappingKey
from portmapper.gateways.discovery import Discovery
from portmapper.gateways.probe import Probe
from portmapper.scheduler.event_recorder import EventRecorder
from portmapper.scheduler.inputs import AddressChanged, AttemptNow, BetterGateway, Doubted, GatewayBack, Input
from portmapper.scheduler.record import Record
from portmapper.scheduler.restart_reports import RestartReports
from portmapper.support.backoff import restart_jitter

Inputs = Iterable[tuple[MappingKey, Input]]
_Item = tuple[MappingKey, Record]

_NEVER = datetime.min.replace(tzinfo=UTC)


class GatewayEvents:
    """Remembers which gateways are gone or silent, so that repetitions change nothing.

    It reports each event once for a device, however many protocols tell of it.
    """

    def __init__(
        self,
        records: Mapping[MappingKey, Record],
        discovery: Discovery,
        recorder: EventRecorder,
        monotonic: Callable[[], float],
    ) -> None:
        self._records = records
        self._discovery = discovery
        self._recorder = recorder
        self._gone: set[str] = set()
        self._gone_devices: set[IPAddress] = set()
        self._restarts = RestartReports(monotonic)
        self._silent: set[str] = set()
        self._silent_devices: set[IPAddress] = set()
        self._found: dict[Target, frozenset[tuple[IPAddress, str]]] = {}

    def answering(self) -> list[Gateway]:
        """Return the known gateways that answered the last search and the last requests."""
        return [gateway for gateway in self._discovery.gateways if self._answers(gateway)]

    def gone(self, gateway: Gateway) -> bool:
        """Note that a gateway said goodbye; return False if it was gone already."""
        first = gateway.identity not in self._gone
        self._gone.add(gateway.identity)
        if first and gateway.address not in self._gone_devices:
            self._gone_devices.add(gateway.address)
            self._recorder.gateway(EventKind.GATEWAY_LOST, gateway)
        return first

    def after_goodbye(self, gateway: Gateway) -> Inputs:
        """Return the inputs of the mappings open there: it may come back without its table.

        The order of peers is not repaired now: the gateway may end in the middle of it.
        """
        return _reassert(self._held_at(self._device(gateway)), order_lost=False)

    def after_restart(self, gateway: Gateway) -> Inputs:
        """Return the inputs of a gateway that lost its table: what is open there, and what may be."""
        first = self._restarts.is_first(gateway)
        held = self._held_at(self._device(gateway) if first else {gateway.identity})
        if first:
            self._recorder.restarted(gateway, len(held))
        self._is_back(gateway)
        asked = self._ask_again(gateway, restarted=True)
        targets = [probe.target for probe in self._discovery.searches if gateway in probe.gateways]
        back = [self._call_back(target, [gateway.identity]) for target in targets]
        return chain(asked, *back, _reassert(held, order_lost=True))

    def after_answer(self, gateway: Gateway) -> Inputs:
        """Mark a gateway as reachable; return the inputs of the mappings that waited for it."""
        if not (self._gone or self._gone_devices or self._silent or self._silent_devices):
            return ()  # nearly always, and a hash of an address takes long
        if gateway.address in self._silent_devices - self._gone_devices:
            self._recorder.gateway(EventKind.GATEWAY_FOUND, gateway, "it answers again")
        self._is_back(gateway)
        if gateway.identity not in self._silent:
            return ()
        self._silent.discard(gateway.identity)
        return self._ask_again(gateway, restarted=False)

    def after_failure(self, record: Record) -> None:
        """Note which gateways did not answer, so that their next answer starts the mappings that wait."""
        for identity, error in record.refusals:
            if isinstance(error, UNREACHABLE):
                self._silent.add(identity)
                self._note_silence(self._discovery.gateway(identity), error)

    def _note_silence(self, gateway: Gateway | None, error: BackendError) -> None:
        """Report once that a device does not answer, instead of once for each mapping."""
        if gateway is None or gateway.address in self._silent_devices:
            return
        self._silent_devices.add(gateway.address)
        if gateway.address not in self._gone_devices:
            self._recorder.silent(gateway, len(self._held_at(self._device(gateway))), str(error))

    def after_search(self, probe: Probe) -> Iterator[tuple[MappingKey, Input]]:
        """Yield the inputs of the mappings that found no gateway, or whose gateway was given up."""
        for key, record in list(self._records.items()):
            given_up = record.lease is not None and record.lease.gateway in probe.dropped
            closed = record.unanswered and (record.lease is None or record.has_former_address)
            if given_up or (probe.gateways and closed):
                yield key, AttemptNow()
        if probe.answering:
            yield from self._call_back(probe.target, probe.answering)
        yield from self._after_appearance(probe)

    def _after_appearance(self, probe: Probe) -> Iterator[tuple[MappingKey, Input]]:
        """Doubt what is open on a device that speaks another protocol than before: it has restarted."""
        found = frozenset((gateway.address, gateway.identity) for gateway in probe.gateways)
        before = self._found.get(probe.target, frozenset())
        devices = {address for address, _ in before}
        for address, identity in found - before:
            if address in devices:
                others = {other for at, other in before if at == address} - {identity}
                for key, delay in _with_jitter(self._held_at(others)):
                    yield key, Doubted(delay, order_lost=False)
        if probe.done or (found - before and devices):
            self._found[probe.target] = found

    def after_move(
        self,
        gateway: Gateway,
        before: IPAddress,
        now: IPAddress | None,
        external: Mapping[str, IPAddress | None],
    ) -> Inputs:
        """Return the inputs of a new external address; leases stay. `external` has what each gateway told."""
        others = self._device(gateway) - {gateway.identity}
        if now is None or now not in map(external.get, others):
            detail = f"{before} became {now or 'none'}"
            self._recorder.gateway(EventKind.EXTERNAL_ADDRESS_CHANGED, gateway, detail)
        return [(key, AddressChanged(now)) for key, _ in self._held_at({gateway.identity})]

    def _call_back(self, target: Target, answering: Collection[str]) -> Inputs:
        """Move to a target that answers again what moved away because it did not; refused mappings stay."""
        away = [
            (key, record)
            for key, record in self._records.items()
            if record.prefers(target) and not record.refused_by(answering)
        ]
        return [(key, BetterGateway(delay)) for key, delay in _with_jitter(away)]

    def _ask_again(self, gateway: Gateway, *, restarted: bool) -> Inputs:
        """Attempt what is not open: a gateway that is back has room, and answers for what ended meanwhile.

        An attempt under way began in its silence. It must be repeated only where it restarted since.
        """
        waiting = [
            (key, record)
            for key, record in self._records.items()
            if (record.lease is None or record.suspect)
            and record.is_for(gateway.address)
            and not record.is_in_conflict
        ]
        soon = [(key, record) for key, record in waiting if restarted or record.due is not None]
        delays = dict(_with_jitter(soon))
        return [(key, GatewayBack(delays.get(key))) for key, _ in waiting]

    def _answers(self, gateway: Gateway) -> bool:
        missed = any(
            search.done and gateway in search.gateways and gateway.identity not in search.answering
            for search in self._discovery.searches
        )
        return not missed and gateway.identity not in self._gone | self._silent

    def _device(self, gateway: Gateway) -> set[str]:
        found = {g.identity for g in self._discovery.gateways if g.address == gateway.address}
        return found | {gateway.identity}

    def _is_back(self, gateway: Gateway) -> None:
        self._gone.discard(gateway.identity)
        self._gone_devices.discard(gateway.address)
        self._silent_devices.discard(gateway.address)

    def _held_at(self, device: Collection[str]) -> list[_Item]:
        return [
            (key, record)
            for key, record in self._records.items()
            if record.lease is not None and record.lease.gateway in device
        ]


def _reassert(held: list[_Item], *, order_lost: bool) -> Inputs:
    """Reassert what is open. Each delay is decided when its input is taken, perhaps some turns later."""
    return ((key, Doubted(delay, order_lost)) for key, delay in _with_jitter(held))


def _with_jitter(items: list[_Item]) -> Iterator[tuple[MappingKey, float]]:
    """Yield a delay for each, so that they do not arrive as one burst.

    Mappings of one internal port come together, and in the order of their opening.
    """
    delays: dict[object, float] = {}
    for key, record in sorted(items, key=lambda item: item[1].opened_at or _NEVER):
        yield key, delays.setdefault(_group(record), restart_jitter(len(items)))


def _group(record: Record) -> object:
    mapping = record.mapping
    return (mapping.family, mapping.address, mapping.internal_port, mapping.gateway)
