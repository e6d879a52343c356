"""Handlers of the transition table for attempts, from their begin to a lease or a failure."""

from __future__ import annotations

from collections.abc import Sequence

from portmapper.api.errors import UNREACHABLE, Conflict
from portmapper.api.model import Lease
from portmapper.scheduler.inputs import (
    Adopting,
    Asked,
    Due,
    Exhausted,
    Granted,
    PassedOver,
    Refused,
    TurnCame,
)
from portmapper.scheduler.record import Phase, Record, Refusal, without_lease
from portmapper.scheduler.results import Acquired, Effect, Failed, Lost, Moment, Result, Rules
from portmapper.scheduler.retry import delay_after_failure
from portmapper.store.comparison import forward_target
from portmapper.support.backoff import renewal_delay
from portmapper.support.values import evolve


def begin(record: Record, given: Due, now: Moment, rules: Rules) -> Result:
    """Begin an attempt."""
    return _begun(record, given, given.serial), ()


def begin_again(record: Record, given: Due, now: Moment, rules: Rules) -> Result:
    """Begin again if the attempt only waits; otherwise attempt once more when it ends."""
    if record.asking is not None:
        return evolve(record, due=None, dirty=True), ()
    return _begun(record, given, record.serial), ()


def _begun(record: Record, given: Due, serial: int) -> Record:
    return evolve(
        record,
        phase=_beginning(record),
        due=None,
        dirty=False,
        serial=serial,
        asking=None,
        places=given.places,
        unplaced=given.unplaced,
        tried=(),
        answers=(),
    )


def _beginning(record: Record) -> Phase:
    if record.lease is None:
        return Phase.SELECTING
    return Phase.REBINDING if record.rebind and not record.suspect else Phase.RENEWING


def take_turn(record: Record, given: TurnCame, now: Moment, rules: Rules) -> Result:
    """Skip the requests that were silent a moment ago."""
    attempts, refusals = zip(*given.silent, strict=True) if given.silent else ((), ())
    return evolve(record, tried=attempts, answers=refusals), ()


def ask(record: Record, given: Asked, now: Moment, rules: Rules) -> Result:
    """Note the request that is under way."""
    phase = record.phase
    if record.lease is None:
        phase = Phase.REQUESTING
    elif phase is Phase.RENEWING and not given.holder:
        phase = Phase.REBINDING
    return evolve(record, phase=phase, asking=given.attempt, tried=(*record.tried, given.attempt)), ()


def pass_over(record: Record, given: PassedOver, now: Moment, rules: Rules) -> Result:
    """Note a gateway that cannot serve the mapping."""
    tried = record.tried if given.attempt is None else (*record.tried, given.attempt)
    return evolve(record, tried=tried, answers=(*record.answers, given.refusal)), ()


def adopt(record: Record, given: Adopting, now: Moment, rules: Rules) -> Result:
    """Note which lease of an earlier run the request would renew."""
    opened_at = given.opened_at if given.lease is not None else record.opened_at
    return evolve(record, adopted=given.lease, opened_at=opened_at), ()


def next_gateway(record: Record, given: Refused, now: Moment, rules: Rules) -> Result:
    """Note the answer; the next gateway is asked."""
    phase = Phase.SELECTING if record.lease is None else record.phase
    answers = (*record.answers, (given.gateway, given.error))
    return evolve(record, phase=phase, asking=None, answers=answers), ()


def bind(record: Record, given: Granted, now: Moment, rules: Rules) -> Result:
    """Hold the lease; plan its renewal, or the next attempt if something happened meanwhile."""
    before, lease = record.lease, given.lease
    known = before or record.adopted
    renewed = known is not None and is_same(known, lease)
    moved = before is None or before.gateway != lease.gateway
    recreate = record.recreate and not given.recreated
    rebind = _still_rebinds(record)
    granted_at = now.monotonic - given.age
    bound = evolve(
        record,
        phase=Phase.BOUND,
        lease=lease,
        adopted=None,
        opened_at=record.opened_at if renewed and not given.recreated else now.wall,
        granted_at=granted_at,
        suspect_since=None,
        lost_at=None,
        due=now.monotonic if record.dirty or recreate or rebind else _renewal(lease, granted_at),
        attempts=0,
        dirty=False,
        rebind=rebind,
        asking=None,
        tried=(),
        answers=(),
        refusals=(),
        passed_over=record.answers if record.answers or moved else record.passed_over,
        recreate=recreate,
        order_lost=record.order_lost and not given.repaired,
        move_to=record.move_to if record.dirty else 0,
    )
    return bound, (Acquired(before, record.adopted, lease, renewed),)


def _still_rebinds(record: Record) -> bool:
    """Return whether the best place has yet to be asked: it may have come back during the request."""
    return record.rebind and (record.suspect or record.dirty)


def _renewal(lease: Lease, granted_at: float) -> float | None:
    return None if lease.permanent else granted_at + renewal_delay(lease.lifetime, 0, 0.0)


def is_same(before: Lease, lease: Lease) -> bool:
    """Return whether the gateway's rule is the one it had, over whichever protocol it was requested."""
    port = before.external_port == lease.external_port
    return before.token == lease.token or (port and forward_target(before) == forward_target(lease))


def fail(record: Record, given: Exhausted, now: Moment, rules: Rules) -> Result:
    """Plan the next attempt; a lease is kept until it ends, unless another host has its port now."""
    before = record.refusals
    record = evolve(
        record,
        asking=None,
        tried=(),
        answers=(),
        refusals=record.answers,
        search_errors=given.search_errors,
    )
    effects: list[Effect] = []
    if record.lease is not None and _has_gone(record, record.lease):
        record, effects = _without_port(record, record.lease, now)
    record = evolve(record, attempts=record.attempts + 1)
    effects.append(Failed(first=_is_news(record, before)))
    delay = delay_after_failure(record, now.monotonic, rules.interval)
    at = now.monotonic + delay
    rested = evolve(
        record,
        phase=_resting(record),
        due=at if record.expires_at is None else min(at, record.expires_at),
        not_before=at,
        dirty=False,
        rebind=_still_rebinds(record),
        move_to=record.move_to if record.dirty else 0,
    )
    return rested, tuple(effects)


def _is_news(record: Record, before: Sequence[Refusal]) -> bool:
    """Return whether a failure must be reported; that its gateway is silent is reported once for all."""
    silent = _is_silence(record.refusals)
    if silent and (record.lease is not None or record.lost_at is not None):
        return False
    return record.attempts == 1 or record.dirty or (_is_silence(before) and not silent)


def _is_silence(refusals: Sequence[Refusal]) -> bool:
    return bool(refusals) and all(isinstance(error, UNREACHABLE) for _, error in refusals)


def _has_gone(record: Record, lease: Lease) -> bool:
    """Return whether its own gateway said that the port belongs to somebody else."""
    return any(gateway == lease.gateway and isinstance(error, Conflict) for gateway, error in record.refusals)


def _without_port(record: Record, lease: Lease, now: Moment) -> tuple[Record, list[Effect]]:
    former = record.has_former_address
    holder = f"{lease.internal_address}, a former address of this host" if former else "another host"
    why = f"the gateway now maps its port to {holder}"
    return without_lease(record, now.monotonic), [Lost(lease, why, still_open=former)]


def _resting(record: Record) -> Phase:
    if record.lease is None:
        return Phase.INIT
    return Phase.SUSPECT if record.suspect else Phase.BOUND
