"""The transition table: how a record changes with each input, and what follows. Pure and total.

`TABLE` has one handler for each phase and input. A handler takes the record, the input, the time and the
rules, and returns the next record (None when it is dropped) with the effects that the scheduler carries out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from portmapper.scheduler import attempt_handlers as attempt
from portmapper.scheduler import lease_handlers as lease
from portmapper.scheduler.inputs import (
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
    Exhausted,
    Expired,
    GatewayBack,
    GivenUp,
    Granted,
    Input,
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
from portmapper.scheduler.results import Handler, Moment, Result, Rules


def transition(record: Record, given: Input, now: Moment, rules: Rules) -> Result:
    """Return the next record, None when the mapping is dropped, and the effects."""
    return TABLE[record.phase, type(given)](record, given, now, rules)


def transitions(interval: float) -> Callable[[Record, Input, Moment], Result]:
    """Return `transition` with the rules of a scheduler whose resync has this interval in seconds."""
    return partial(transition, rules=Rules(interval))


def ignore(record: Record, given: Input, now: Moment, rules: Rules) -> Result:
    """No change."""
    return record, ()


_HELD = frozenset({Phase.BOUND, Phase.SUSPECT, Phase.RENEWING, Phase.REBINDING})
_ALL = frozenset(Phase)

_COLUMNS: list[tuple[type[Input], frozenset[Phase], Handler]] = [
    (Desired, _ALL, lease.replace),
    (Undesired, _ALL, lease.drop),
    (Due, _ALL - ATTEMPTING, attempt.begin),
    (Due, ATTEMPTING, attempt.begin_again),
    (TurnCame, ATTEMPTING, attempt.take_turn),
    (Asked, ATTEMPTING, attempt.ask),
    (PassedOver, ATTEMPTING, attempt.pass_over),
    (Adopting, ATTEMPTING, attempt.adopt),
    (Granted, ATTEMPTING, attempt.bind),
    (Refused, ATTEMPTING, attempt.next_gateway),
    (Exhausted, ATTEMPTING, attempt.fail),
    (Expired, _HELD, lease.expire),
    (Vanished, _HELD, lease.vanish),
    (Verified, _HELD, lease.confirm),
    (Doubted, _HELD, lease.suspect),
    (AddressChanged, _HELD, lease.readdress),
    (BetterGateway, _HELD, lease.move_soon),
    (Disturbed, _ALL, lease.disturb),
    (OrderKnown, _ALL, lease.settle_order),
    (ChangePort, _HELD, lease.change_port),
    (PairChecked, _HELD, lease.note_pair),
    (GivenUp, _HELD, lease.give_up),
    (RenewNow, frozenset({Phase.BOUND, Phase.SUSPECT}), lease.renew_now),
    (GatewayBack, _ALL, lease.attempt_soon),
    (AttemptNow, _ALL, lease.attempt_now),
    (NetworkChanged, _ALL, lease.move),
    (RetryNow, _ALL - _HELD, lease.retry_now),
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
