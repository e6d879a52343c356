"""The transition table: how a record changes with each input, and what follows. Pure and total.

`TABLE` has one handler for each phase and input. A handler takes the record, the input, the time and the
rules, and returns the next record (None when it is dropped) with the effects that the scheduler carries out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs

from portmapper.api.errors import Conflict
from portmapper.api.model import Lease
from portmapper.scheduler.inputs import (
    Abandoned,
    Acquired,
    AddressChanged,
    Adopting,
    Asked,
    AttemptNow,
    BetterGateway,
    ChangePort,
    Desired,
    Disturbed,
    Doubted,
    Due,
    Effect,
    Exhausted,
    Expired,
    Failed,
    GatewayBack,
    GivenUp,
    Granted,
    Input,
    Lost,
    Moment,
    Moved,
    NetworkChanged,
    OrderKnown,
    PairChecked,
    PassedOver,
    Refused,
    RenewNow,
    RetryNow,
    TurnCame,
    Undesired,
    Vanished,
    Verified,
)
from portmapper.scheduler.record import ATTEMPTING, Phase, Record
from portmapper.scheduler.retry import delay_after_failure
from portmapper.store.ownership import forward_target
from portmapper.support.backoff import renewal_delay
from portmapper.support.values import frozen

Result = tuple[Record | None, tuple[Effect, ...]]
Handler = Callable[[Record, Any, Moment, "Rules"], Result]


@frozen
class Rules:
    """What the transitions need to know of the scheduler's options.

    Attributes:
        interval: seconds; what may pass at any moment is retried at least that often.
    """

    interval: float = 60.0


def transition(record: Record, given: Input, now: Moment, rules: Rules) -> Result:
    """Return the next record, None when the mapping is dropped, and the effects."""
    return TABLE[record.phase, type(given)](record, given, now, rules)


def ignore(record: Record, given: Input, now: Moment, rules: Rules) -> Result:
    """No change."""
    return record, ()


# What is desired


def replace(record: Record, given: Desired, now: Moment, rules: Rules) -> Result:
    """Take the new values; attempt now."""
    return attrs.evolve(record, mapping=given.mapping, due=now.monotonic), ()


def drop(record: Record, given: Undesired, now: Moment, rules: Rules) -> Result:
    """Drop the record; a lease becomes an orphan."""
    return None, (Abandoned(record.lease),) if record.lease is not None else ()


# Attempts


def begin(record: Record, given: Due, now: Moment, rules: Rules) -> Result:
    """Begin an attempt."""
    return _begun(record, given, given.serial), ()


def begin_again(record: Record, given: Due, now: Moment, rules: Rules) -> Result:
    """Begin again if the attempt only waits; otherwise attempt once more when it ends."""
    if record.asking is not None:
        return attrs.evolve(record, due=None, dirty=True), ()
    return _begun(record, given, record.serial), ()


def _begun(record: Record, given: Due, serial: int) -> Record:
    return attrs.evolve(
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
    return attrs.evolve(record, tried=attempts, answers=refusals), ()


def ask(record: Record, given: Asked, now: Moment, rules: Rules) -> Result:
    """Note the request that is under way."""
    phase = record.phase
    if record.lease is None:
        phase = Phase.REQUESTING
    elif phase is Phase.RENEWING and not given.holder:
        phase = Phase.REBINDING
    return attrs.evolve(record, phase=phase, asking=given.attempt, tried=(*record.tried, given.attempt)), ()


def pass_over(record: Record, given: PassedOver, now: Moment, rules: Rules) -> Result:
    """Note a gateway that cannot serve the mapping."""
    tried = record.tried if given.attempt is None else (*record.tried, given.attempt)
    return attrs.evolve(record, tried=tried, answers=(*record.answers, given.refusal)), ()


def adopt(record: Record, given: Adopting, now: Moment, rules: Rules) -> Result:
    """Note which lease of an earlier run the request would renew."""
    opened_at = given.opened_at if given.lease is not None else record.opened_at
    return attrs.evolve(record, adopted=given.lease, opened_at=opened_at), ()


def next_gateway(record: Record, given: Refused, now: Moment, rules: Rules) -> Result:
    """Note the answer; the next gateway is asked."""
    phase = Phase.SELECTING if record.lease is None else record.phase
    answers = (*record.answers, (given.gateway, given.error))
    return attrs.evolve(record, phase=phase, asking=None, answers=answers), ()


def bind(record: Record, given: Granted, now: Moment, rules: Rules) -> Result:
    """Hold the lease; plan its renewal, or the next attempt if something happened meanwhile."""
    before, lease = record.lease, given.lease
    known = before or record.adopted
    renewed = known is not None and is_same(known, lease)
    moved = before is None or before.gateway != lease.gateway
    recreate = record.recreate and not given.recreated
    rebind = record.rebind and record.suspect
    bound = attrs.evolve(
        record,
        phase=Phase.BOUND,
        lease=lease,
        adopted=None,
        opened_at=record.opened_at if renewed and not given.recreated else now.wall,
        granted_at=now.monotonic,
        expires_at=None if lease.permanent else now.monotonic + lease.lifetime,
        suspect_since=None,
        lost_at=None,
        due=_renewal(lease, now, at_once=record.dirty or recreate or rebind),
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


def _renewal(lease: Lease, now: Moment, *, at_once: bool) -> float | None:
    if at_once:
        return now.monotonic
    return None if lease.permanent else now.monotonic + renewal_delay(lease.lifetime, 0, 0.0)


def is_same(before: Lease, lease: Lease) -> bool:
    """Return whether the gateway's rule is the one it had, over whichever protocol it was requested."""
    port = before.external_port == lease.external_port
    return before.token == lease.token or (port and forward_target(before) == forward_target(lease))


def fail(record: Record, given: Exhausted, now: Moment, rules: Rules) -> Result:
    """Plan the next attempt; a lease is kept until it ends, unless another host has its port now."""
    record = attrs.evolve(
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
    record = attrs.evolve(record, attempts=record.attempts + 1)
    effects.append(Failed(first=record.attempts == 1 or record.dirty))
    delay = delay_after_failure(record, now.monotonic, rules.interval)
    at = now.monotonic + delay
    rested = attrs.evolve(
        record,
        phase=_resting(record),
        due=at if record.expires_at is None else min(at, record.expires_at),
        not_before=at,
        dirty=False,
        rebind=record.rebind and record.suspect,
        move_to=record.move_to if record.dirty else 0,
    )
    return rested, tuple(effects)


def _has_gone(record: Record, lease: Lease) -> bool:
    """Return whether its own gateway said that the port belongs to somebody else."""
    return any(gateway == lease.gateway and isinstance(error, Conflict) for gateway, error in record.refusals)


def _without_port(record: Record, lease: Lease, now: Moment) -> tuple[Record, list[Effect]]:
    former = record.has_former_address
    holder = f"{lease.internal_address}, a former address of this host" if former else "another host"
    why = f"the gateway now maps its port to {holder}"
    return _without_lease(record, now), [Lost(lease, why, still_open=former)]


def _without_lease(record: Record, now: Moment) -> Record:
    return attrs.evolve(
        record,
        lease=None,
        opened_at=None,
        expires_at=None,
        suspect_since=None,
        lost_at=now.monotonic,
        attempts=0,
        move_to=0,
        moves=0,
        apart="",
    )


def _resting(record: Record) -> Phase:
    if record.lease is None:
        return Phase.INIT
    return Phase.SUSPECT if record.suspect else Phase.BOUND


# What happens to a lease


def expire(record: Record, given: Expired, now: Moment, rules: Rules) -> Result:
    """Give the lease up; attempt now, unless the last failure forbids it."""
    lease = _held(record)
    due = max(now.monotonic, record.not_before)
    return _lost(record, now, due), (Lost(lease, "it expired before the gateway renewed it"),)


def vanish(record: Record, given: Vanished, now: Moment, rules: Rules) -> Result:
    """Give the lease up; attempt now."""
    lease = _held(record)
    lost = attrs.evolve(_lost(record, now, now.monotonic), losses=record.losses + 1)
    return lost, (Lost(lease, "the gateway no longer holds it"),)


def _held(record: Record) -> Lease:
    assert record.lease is not None, f"{record.phase} without a lease"
    return record.lease


def _lost(record: Record, now: Moment, due: float) -> Record:
    """Take the lease away. A request that is under way continues, as one for a new lease."""
    phase = Phase.INIT
    if record.attempting:
        phase = Phase.SELECTING if record.asking is None else Phase.REQUESTING
    return attrs.evolve(_without_lease(record, now), phase=phase, due=due)


def confirm(record: Record, given: Verified, now: Moment, rules: Rules) -> Result:
    """Count the losses from zero again."""
    return attrs.evolve(record, losses=0), ()


def suspect(record: Record, given: Doubted, now: Moment, rules: Rules) -> Result:
    """Reassert the lease soon."""
    return attrs.evolve(
        record,
        phase=Phase.SUSPECT if record.phase is Phase.BOUND else record.phase,
        suspect_since=now.monotonic,
        order_lost=record.order_lost or given.order_lost,
        attempts=0,
        due=now.monotonic + given.delay,
    ), ()


def attempt_soon(record: Record, given: GatewayBack, now: Moment, rules: Rules) -> Result:
    """Attempt soon, with short delays again."""
    due = record.due if given.delay is None else now.monotonic + given.delay
    return attrs.evolve(record, attempts=min(record.attempts, 1), due=due), ()


def move(record: Record, given: NetworkChanged, now: Moment, rules: Rules) -> Result:
    """Attempt now at the best place."""
    return attrs.evolve(record, attempts=0, rebind=True, due=now.monotonic), ()


def move_soon(record: Record, given: BetterGateway, now: Moment, rules: Rules) -> Result:
    """Attempt at the better gateway."""
    return attrs.evolve(record, rebind=True, due=now.monotonic + given.delay), ()


def retry_now(record: Record, given: RetryNow, now: Moment, rules: Rules) -> Result:
    """Attempt now, with short delays again."""
    return attrs.evolve(record, attempts=0, due=now.monotonic), ()


def attempt_now(record: Record, given: AttemptNow, now: Moment, rules: Rules) -> Result:
    """Attempt now."""
    return attrs.evolve(record, due=now.monotonic), ()


def readdress(record: Record, given: AddressChanged, now: Moment, rules: Rules) -> Result:
    """Note the new external address; the lease stays."""
    before = _held(record)
    lease = attrs.evolve(before, external_address=given.address)
    return attrs.evolve(record, lease=lease), (Moved(lease, before.external_address),)


def change_port(record: Record, given: ChangePort, now: Moment, rules: Rules) -> Result:
    """Request the port of the other half of its pair; the lease stays until then."""
    return attrs.evolve(record, move_to=given.port, moves=record.moves + 1, due=now.monotonic), ()


def note_pair(record: Record, given: PairChecked, now: Moment, rules: Rules) -> Result:
    """Note whether it has the same external port as the other half of its pair."""
    return attrs.evolve(record, apart=given.apart, moves=record.moves if given.apart else 0), ()


def give_up(record: Record, given: GivenUp, now: Moment, rules: Rules) -> Result:
    """Give the lease up, which is closed; the attempt under way continues."""
    lost = attrs.evolve(_lost(record, now, now.monotonic), moves=record.moves)
    return lost, (Lost(_held(record), given.why),)


def disturb(record: Record, given: Disturbed, now: Moment, rules: Rules) -> Result:
    """Note what a peer's request may have done; attempt now if it is urgent."""
    return attrs.evolve(
        record,
        recreate=record.recreate or given.recreate,
        order_lost=record.order_lost or given.order_lost,
        due=now.monotonic if given.begin else record.due,
    ), ()


def settle_order(record: Record, given: OrderKnown, now: Moment, rules: Rules) -> Result:
    """Forget that the order was unknown."""
    return attrs.evolve(record, order_lost=False), ()


def renew_now(record: Record, given: RenewNow, now: Moment, rules: Rules) -> Result:
    """Renew at the given time."""
    return attrs.evolve(record, due=given.at), ()


# The table

_HELD = frozenset({Phase.BOUND, Phase.SUSPECT, Phase.RENEWING, Phase.REBINDING})
_ALL = frozenset(Phase)

_COLUMNS: list[tuple[type[Input], frozenset[Phase], Handler]] = [
    (Desired, _ALL, replace),
    (Undesired, _ALL, drop),
    (Due, _ALL - ATTEMPTING, begin),
    (Due, ATTEMPTING, begin_again),
    (TurnCame, ATTEMPTING, take_turn),
    (Asked, ATTEMPTING, ask),
    (PassedOver, ATTEMPTING, pass_over),
    (Adopting, ATTEMPTING, adopt),
    (Granted, ATTEMPTING, bind),
    (Refused, ATTEMPTING, next_gateway),
    (Exhausted, ATTEMPTING, fail),
    (Expired, _HELD, expire),
    (Vanished, _HELD, vanish),
    (Verified, _HELD, confirm),
    (Doubted, _HELD, suspect),
    (AddressChanged, _HELD, readdress),
    (BetterGateway, _HELD, move_soon),
    (Disturbed, _ALL, disturb),
    (OrderKnown, _ALL, settle_order),
    (ChangePort, _HELD, change_port),
    (PairChecked, _HELD, note_pair),
    (GivenUp, _HELD, give_up),
    (RenewNow, frozenset({Phase.BOUND, Phase.SUSPECT}), renew_now),
    (GatewayBack, _ALL, attempt_soon),
    (AttemptNow, _ALL, attempt_now),
    (NetworkChanged, _ALL, move),
    (RetryNow, _ALL - _HELD, retry_now),
]
INPUTS: list[type[Input]] = list(dict.fromkeys(given for given, _, _ in _COLUMNS))


def _cells() -> Iterator[tuple[tuple[Phase, type[Input]], Handler]]:
    for given in INPUTS:
        for phase in Phase:
            yield (phase, given), ignore
    for given, phases, handler in _COLUMNS:
        for phase in phases:
            yield (phase, given), handler


TABLE: dict[tuple[Phase, type[Input]], Handler] = dict(_cells())
"""The handler of each phase and input."""
