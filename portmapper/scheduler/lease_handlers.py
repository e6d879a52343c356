"""Handlers of the transition table for what happens to a mapping between its attempts."""

from __future__ import annotations

from portmapper.api.model import Lease
from portmapper.scheduler.inputs import (
    AddressChanged,
    AttemptNow,
    BetterGateway,
    ChangePort,
    Desired,
    Disturbed,
    Doubted,
    Expired,
    GatewayBack,
    GivenUp,
    NetworkChanged,
    OrderKnown,
    PairChecked,
    RenewNow,
    RetryNow,
    Undesired,
    Vanished,
    Verified,
)
from portmapper.scheduler.record import Phase, Record, without_lease
from portmapper.scheduler.results import Abandoned, Lost, Moment, Moved, Result, Rules
from portmapper.support.values import evolve


def replace(record: Record, given: Desired, now: Moment, rules: Rules) -> Result:
    """Take the new values; attempt now."""
    return evolve(record, mapping=given.mapping, due=now.monotonic), ()


def drop(record: Record, given: Undesired, now: Moment, rules: Rules) -> Result:
    """Drop the record; a lease becomes an orphan."""
    return None, (Abandoned(record.lease),) if record.lease is not None else ()


def expire(record: Record, given: Expired, now: Moment, rules: Rules) -> Result:
    """Give the lease up; attempt now, unless the last failure forbids it."""
    lease = _held(record)
    due = max(now.monotonic, record.not_before)
    return _lost(record, now, due), (Lost(lease, "it expired before the gateway renewed it"),)


def vanish(record: Record, given: Vanished, now: Moment, rules: Rules) -> Result:
    """Give the lease up; attempt now."""
    lease = _held(record)
    lost = evolve(_lost(record, now, now.monotonic), losses=record.losses + 1)
    return lost, (Lost(lease, "the gateway no longer holds it"),)


def _held(record: Record) -> Lease:
    assert record.lease is not None, f"{record.phase} without a lease"
    return record.lease


def _lost(record: Record, now: Moment, due: float) -> Record:
    """Take the lease away. A request that is under way continues, as one for a new lease."""
    phase = Phase.INIT
    if record.attempting:
        phase = Phase.SELECTING if record.asking is None else Phase.REQUESTING
    return evolve(without_lease(record, now.monotonic), phase=phase, due=due)


def confirm(record: Record, given: Verified, now: Moment, rules: Rules) -> Result:
    """Count the losses from zero again."""
    return evolve(record, losses=0), ()


def suspect(record: Record, given: Doubted, now: Moment, rules: Rules) -> Result:
    """Reassert the lease soon."""
    return evolve(
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
    return evolve(record, attempts=min(record.attempts, 1), due=due), ()


def move(record: Record, given: NetworkChanged, now: Moment, rules: Rules) -> Result:
    """Attempt now at the best place."""
    return evolve(record, attempts=0, rebind=True, due=now.monotonic), ()


def move_soon(record: Record, given: BetterGateway, now: Moment, rules: Rules) -> Result:
    """Attempt at the better gateway, at the latest after the request that is under way."""
    dirty = record.dirty or record.asking is not None
    return evolve(record, rebind=True, dirty=dirty, due=now.monotonic + given.delay), ()


def retry_now(record: Record, given: RetryNow, now: Moment, rules: Rules) -> Result:
    """Attempt now, with short delays again."""
    return evolve(record, attempts=0, due=now.monotonic), ()


def attempt_now(record: Record, given: AttemptNow, now: Moment, rules: Rules) -> Result:
    """Attempt now."""
    return evolve(record, due=now.monotonic), ()


def readdress(record: Record, given: AddressChanged, now: Moment, rules: Rules) -> Result:
    """Note the new external address; the lease stays."""
    before = _held(record)
    lease = evolve(before, external_address=given.address)
    return evolve(record, lease=lease), (Moved(lease, before.external_address),)


def change_port(record: Record, given: ChangePort, now: Moment, rules: Rules) -> Result:
    """Request the port of the other half of its pair; the lease stays until then."""
    return evolve(record, move_to=given.port, moves=record.moves + 1, due=now.monotonic), ()


def note_pair(record: Record, given: PairChecked, now: Moment, rules: Rules) -> Result:
    """Note whether it has the same external port as the other half of its pair."""
    return evolve(record, apart=given.apart, moves=record.moves if given.apart else 0), ()


def give_up(record: Record, given: GivenUp, now: Moment, rules: Rules) -> Result:
    """Give the lease up, which is closed; the attempt under way continues."""
    lost = evolve(_lost(record, now, now.monotonic), moves=record.moves)
    return lost, (Lost(_held(record), given.why),)


def disturb(record: Record, given: Disturbed, now: Moment, rules: Rules) -> Result:
    """Note what a peer's request may have done; attempt now if it is urgent."""
    return evolve(
        record,
        recreate=record.recreate or given.recreate,
        order_lost=record.order_lost or given.order_lost,
        due=now.monotonic if given.begin else record.due,
    ), ()


def settle_order(record: Record, given: OrderKnown, now: Moment, rules: Rules) -> Result:
    """Forget that the order was unknown."""
    return evolve(record, order_lost=False), ()


def renew_now(record: Record, given: RenewNow, now: Moment, rules: Rules) -> Result:
    """Renew at the given time."""
    return evolve(record, due=given.at), ()
