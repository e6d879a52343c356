"""The gates: which mappings are desired now, and when that changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs
import pytest

from portmapper.api.model import Mapping, MappingState, Protocol
from portmapper.sources.gates import PASS, Gate, HeldBack, Verdict, decide, limited

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
WEB, MAIL = Mapping(Protocol.TCP, 8080, 8080), Mapping(Protocol.TCP, 25, 25)


def gate_for(mapping: Mapping, verdict: Verdict) -> Gate:
    """Return a gate that says this of one mapping, and lets all others pass."""
    return lambda asked, now: verdict if asked is mapping else PASS


def test_without_gates_all_mappings_are_desired() -> None:
    """And nothing has to be looked at again."""
    decision = decide([WEB, MAIL], (), NOW)
    assert (decision.desired, decision.held_back, decision.look_again) == ([WEB, MAIL], [], None)


def test_a_held_back_mapping_is_not_desired() -> None:
    """It has the state and the reason of the gate."""
    gate = gate_for(WEB, Verdict(MappingState.PAUSED, "paused", LATER))
    decision = decide([WEB, MAIL], [gate], NOW)
    assert decision.desired == [MAIL]
    assert decision.held_back == [HeldBack(WEB, MappingState.PAUSED, "paused", LATER)]
    assert decision.look_again == LATER


def test_the_first_gate_that_holds_back_gives_the_reason() -> None:
    """A paused row does not wait for anything else."""
    paused = gate_for(WEB, Verdict(MappingState.PAUSED, "paused"))
    waits = gate_for(WEB, Verdict(MappingState.WAITING, "waits"))
    (held,) = decide([WEB], [paused, waits], NOW).held_back
    assert (held.state, held.reason) == (MappingState.PAUSED, "paused")


def test_a_desired_mapping_closes_at_the_earliest_end() -> None:
    """The gates look again then."""
    gates = [gate_for(WEB, Verdict(until=LATER + timedelta(hours=1))), gate_for(WEB, Verdict(until=LATER))]
    decision = decide([WEB, MAIL], gates, NOW)
    assert decision.closes_at == {WEB.key: LATER}
    assert decision.look_again == LATER


@pytest.mark.parametrize(("duration", "expected"), [(60, 60), (7200, 3600), (0, 3600)])
def test_the_lease_of_a_single_pass_ends_with_its_mapping(duration: int, expected: int) -> None:
    """Nothing would close it then; other mappings keep their lifetime."""
    row = attrs.evolve(WEB, duration=duration)
    decision = decide([row, MAIL], [gate_for(row, Verdict(until=LATER))], NOW)
    assert [m.duration for m in limited(decision, NOW)] == [expected, MAIL.duration]
