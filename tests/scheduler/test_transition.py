"""The transition table: every cell, and what holds after any sequence of inputs."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portmapper.api.backend import Target
from portmapper.api.errors import Conflict, GatewayTimeout, NotAuthorized
from portmapper.api.model import Lease, Mapping, MappingState, Protocol
from portmapper.network.placement import Place
from portmapper.scheduler import inputs, results, transition
from portmapper.scheduler.inputs import Input
from portmapper.scheduler.record import ATTEMPTING, Phase, Record
from portmapper.scheduler.results import Moment, Rules
from portmapper.scheduler.transition import INPUTS, TABLE

LOCAL, OTHER = ip_address("192.168.88.10"), ip_address("192.168.88.20")
PCP, UPNP = "pcp:192.168.88.1", "upnp:192.168.88.1"
PLACES = [Place(LOCAL, Target(LOCAL))]
START = datetime(2026, 1, 1, tzinfo=UTC)
MAPPING = Mapping(Protocol.TCP, 80, 80)
LEASE = Lease(Protocol.TCP, LOCAL, 80, 80, None, 100, False, "pcp", PCP, b"token")
HELD = frozenset({Phase.BOUND, Phase.SUSPECT, Phase.RENEWING, Phase.REBINDING})

EXAMPLES: dict[type[Input], Input] = {
    example.__class__: example
    for example in (
        inputs.Desired(attrs.evolve(MAPPING, comment="new")),
        inputs.Undesired(),
        inputs.Due(PLACES, "", 7),
        inputs.TurnCame((((PCP, LOCAL), (PCP, GatewayTimeout("no answer"))),)),
        inputs.Asked((PCP, LOCAL), holder=False),
        inputs.PassedOver((UPNP, LOCAL), (UPNP, NotAuthorized("no"))),
        inputs.Adopting(LEASE, START),
        inputs.Granted(LEASE),
        inputs.Refused(PCP, NotAuthorized("no")),
        inputs.Exhausted(),
        inputs.Expired(),
        inputs.Vanished(),
        inputs.Verified(),
        inputs.Doubted(0.5, order_lost=True),
        inputs.AddressChanged(ip_address("203.0.113.9")),
        inputs.BetterGateway(0.5),
        inputs.Disturbed(recreate=True),
        inputs.OrderKnown(),
        inputs.ChangePort(81),
        inputs.PairChecked("apart"),
        inputs.GivenUp("it was closed"),
        inputs.RenewNow(12.0),
        inputs.GatewayBack(0.5),
        inputs.AttemptNow(),
        inputs.NetworkChanged(),
        inputs.RetryNow(),
    )
}


def now(seconds: float = 10.0) -> Moment:
    """Return a moment."""
    return Moment(seconds, START + timedelta(seconds=seconds))


def in_phase(phase: Phase, **fields: Any) -> Record:
    """Return a record as it is in that phase."""
    if phase in HELD:
        fields = {
            "lease": LEASE,
            "granted_at": 5.0,
            "opened_at": START,
            "due": 55.0,
            **fields,
        }
    if phase in ATTEMPTING:
        fields.setdefault("serial", 3)
    if phase in (Phase.REQUESTING, Phase.RENEWING, Phase.REBINDING):
        fields.setdefault("asking", (PCP, LOCAL))
    if phase is Phase.SUSPECT:
        fields.setdefault("suspect_since", 6.0)
    return Record(MAPPING, phase=phase, places=PLACES, **fields)


def test_the_table_is_total() -> None:
    """Every phase has a handler for every input, and every input has an example here."""
    assert {*TABLE} == {(phase, given) for phase in Phase for given in INPUTS}
    assert set(EXAMPLES) == set(INPUTS)


@pytest.mark.parametrize("given", INPUTS, ids=lambda given: given.__name__)
@pytest.mark.parametrize("phase", Phase)
def test_every_cell_leads_to_a_consistent_record(phase: Phase, given: type[Input]) -> None:
    """No cell raises, changes its record, or leaves a lease without an end or a phase without a lease."""
    before = in_phase(phase)
    fields = attrs.asdict(before, recurse=False)
    after, _ = transition.transition(before, EXAMPLES[given], now(), Rules())
    assert attrs.asdict(before, recurse=False) == fields
    if after is None:
        assert given is inputs.Undesired
    else:
        check(after)


def check(record: Record) -> None:
    """Assert what holds for every record."""
    assert (record.lease is not None) == (record.phase in HELD)
    assert record.phase is not Phase.SUSPECT or record.suspect
    assert record.phase is not Phase.REQUESTING or record.asking is not None
    assert record.attempting or record.asking is None
    assert record.phase is not Phase.BOUND or record.due is not None or record.lease.permanent


@pytest.mark.parametrize(
    ("phase", "given", "expected"),
    [
        (Phase.INIT, inputs.Due(PLACES, "", 7), Phase.SELECTING),
        (Phase.BOUND, inputs.Due(PLACES, "", 7), Phase.RENEWING),
        (Phase.SUSPECT, inputs.Due(PLACES, "", 7), Phase.RENEWING),
        (Phase.SELECTING, inputs.Asked((PCP, LOCAL), holder=False), Phase.REQUESTING),
        (Phase.RENEWING, inputs.Asked((PCP, LOCAL), holder=True), Phase.RENEWING),
        (Phase.RENEWING, inputs.Asked((UPNP, LOCAL), holder=False), Phase.REBINDING),
        (Phase.REQUESTING, inputs.Granted(LEASE), Phase.BOUND),
        (Phase.RENEWING, inputs.Granted(LEASE), Phase.BOUND),
        (Phase.REBINDING, inputs.Granted(LEASE), Phase.BOUND),
        (Phase.REQUESTING, inputs.Refused(PCP, NotAuthorized("no")), Phase.SELECTING),
        (Phase.SELECTING, inputs.Exhausted(), Phase.INIT),
        (Phase.RENEWING, inputs.Exhausted(), Phase.BOUND),
        (Phase.BOUND, inputs.Expired(), Phase.INIT),
        (Phase.SUSPECT, inputs.Expired(), Phase.INIT),
        (Phase.RENEWING, inputs.Expired(), Phase.REQUESTING),
        (Phase.BOUND, inputs.Vanished(), Phase.INIT),
        (Phase.BOUND, inputs.Doubted(0.5, order_lost=True), Phase.SUSPECT),
        (Phase.RENEWING, inputs.Doubted(0.5, order_lost=True), Phase.RENEWING),
    ],
    ids=lambda value: getattr(value, "value", type(value).__name__),
)
def test_a_phase_follows_from_an_input(phase: Phase, given: Input, expected: Phase) -> None:
    """The main path of a lease, from the first request to its end."""
    after, _ = transition.transition(in_phase(phase), given, now(), Rules())
    assert after is not None
    assert after.phase is expected


def test_a_suspect_lease_is_reasserted_before_it_moves() -> None:
    """The holder is asked first; the best place comes after that."""
    record = in_phase(Phase.SUSPECT)
    for step, phase in (
        (inputs.NetworkChanged(), Phase.SUSPECT),
        (inputs.Due(PLACES, "", 7), Phase.RENEWING),
        (inputs.Asked((PCP, LOCAL), holder=True), Phase.RENEWING),
        (inputs.Granted(LEASE), Phase.BOUND),
        (inputs.Due(PLACES, "", 8), Phase.REBINDING),
    ):
        after, _ = transition.transition(record, step, now(), Rules())
        assert after is not None
        assert after.phase is phase
        record = after


def test_a_holder_that_reports_a_conflict_has_lost_the_lease() -> None:
    """Another host has the port now, so the mapping is not open any more."""
    record = in_phase(Phase.RENEWING, answers=((PCP, Conflict("taken")),), asking=None)
    after, effects = transition.transition(record, inputs.Exhausted(), now(), Rules())
    assert after is not None
    assert after.phase is Phase.INIT
    assert [type(effect) for effect in effects] == [results.Lost, results.Failed]


steps = st.lists(
    st.tuples(st.sampled_from(sorted(EXAMPLES, key=lambda given: given.__name__)), st.floats(0, 60)),
    max_size=60,
)


@given(steps=steps)
def test_no_sequence_of_inputs_shows_a_lease_beyond_its_end(steps: list[tuple[type[Input], float]]) -> None:
    """Each effect happens once: a lease that was acquired is lost, abandoned or replaced at most once."""
    record: Record | None = Record(MAPPING)
    at, held = 10.0, None
    for kind, pause in steps:
        at += pause
        if record is not None and record.expires_at is not None and record.expires_at <= at:
            record, held = apply(record, inputs.Expired(), at, held)
        if record is None:
            return
        record, held = apply(record, EXAMPLES[kind], at, held)
        if record is None:
            assert held is None
            return
        check(record)
        assert (record.lease is None) == (held is None)
        active = record.state is MappingState.ACTIVE
        assert not active or record.expires_at is None or record.expires_at > at


def apply(record: Record, given: Input, at: float, held: Lease | None) -> tuple[Record | None, Lease | None]:
    """Apply one input; return the record and the lease that its effects leave."""
    after, effects = transition.transition(record, given, now(at), Rules())
    for effect in effects:
        if isinstance(effect, results.Acquired):
            assert (effect.before is None) == (held is None)
            held = effect.lease
        elif isinstance(effect, results.Lost | results.Abandoned):
            assert held is not None
            held = None
    return after, held


def test_the_documented_table_is_the_one_in_the_code(documentation: Callable[[str], str]) -> None:
    """`docs/architecture.md` shows each handler by name; an empty cell is one without a change."""
    page = documentation("architecture.md")
    section = page[page.index("### Transitions") : page.index("### Quirks")]
    rows = re.findall(r"^\| `(\w+)` \|(.+)\|$", section, re.MULTILINE)
    shown = {name: [cell.strip() for cell in cells.split("|")] for name, cells in rows}
    expected = {
        given.__name__: [
            "" if TABLE[phase, given] is transition.ignore else TABLE[phase, given].__name__
            for phase in Phase
        ]
        for given in INPUTS
    }
    assert shown == expected


@pytest.fixture
def documentation() -> Callable[[str], str]:
    """Read a page of the documentation; skip where the tree is not there."""

    def read(name: str) -> str:
        page = Path(__file__).parents[2] / "docs" / name
        if not page.exists():
            pytest.skip("the documentation is not beside the tests")
        return page.read_text(encoding="utf-8")

    return read
