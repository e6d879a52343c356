"""Ad-hoc mappings: the records of requests are checked as strictly as the rows of a list."""

from __future__ import annotations

import contextlib
import ipaddress
import json
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portmapper.api.errors import PortmapperError, UsageError
from portmapper.api.field_names import FIELD_NAMES
from portmapper.api.model import ANY_PORT, ConflictPolicy, Family, Mapping, Protocol
from portmapper.sources.adhoc import (
    COMMAND_LINE,
    EXPIRY_KEY,
    AdhocMappings,
    check_policy,
    parse_records,
    to_record,
)
from portmapper.sources.policy import Action, Policy, Rule

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.lists(
    st.dictionaries(st.sampled_from(FIELD_NAMES) | st.text(max_size=8), VALUES, max_size=6), max_size=4
)


@given(records=VALUES | RECORDS)
def test_any_records_are_mappings_or_a_usage_error(records: object) -> None:
    """No other error is raised."""
    with contextlib.suppress(UsageError):
        parse_records(records)


@given(body=st.binary(max_size=200))
def test_any_body_that_is_json_is_mappings_or_our_error(body: bytes) -> None:
    """For any bytes that a client may send."""
    try:
        records = json.loads(body)
    except (ValueError, RecursionError):
        return
    with contextlib.suppress(PortmapperError):
        parse_records(records)


@pytest.mark.parametrize("records", [None, 1, "8080", {}, [1], [{"port": True, "protocol": "TCP"}]])
def test_a_record_of_the_wrong_shape_is_a_usage_error(records: object) -> None:
    """The client receives one line."""
    with pytest.raises(UsageError):
        parse_records(records)


class Storage:
    """Records in memory."""

    adhoc: tuple[str, ...] = ()


NOW = datetime(2026, 1, 1, tzinfo=UTC)
WEB = Mapping(Protocol.TCP, 8080, 80, source=COMMAND_LINE)
ANY = Mapping(Protocol.UDP, ANY_PORT, 53, ipaddress.ip_address("192.168.1.7"), source=COMMAND_LINE)


@pytest.fixture
def storage() -> Storage:
    """An empty storage."""
    return Storage()


@pytest.fixture
def adhoc(storage: Storage) -> AdhocMappings:
    """The ad-hoc mappings in the storage."""
    return AdhocMappings(storage)


def test_mappings_are_stored_until_they_are_removed(storage: Storage, adhoc: AdhocMappings) -> None:
    """The next run reads them from the store."""
    adhoc.add([WEB, ANY])
    assert AdhocMappings(storage).mappings == (WEB, attrs.evolve(ANY, written_address="192.168.1.7"))
    adhoc.remove([WEB])
    assert [m.port for m in AdhocMappings(storage).mappings] == [ANY_PORT]


def test_a_repeated_request_replaces_the_first(adhoc: AdhocMappings) -> None:
    """For example with another lifetime."""
    adhoc.add([WEB])
    adhoc.add([attrs.evolve(WEB, duration=60)])
    assert [m.duration for m in adhoc.mappings] == [60]


def test_a_daemon_adopts_mappings_whose_lease_has_not_expired(storage: Storage, adhoc: AdhocMappings) -> None:
    """They were opened without a daemon, which renews them from now on."""
    expiry = {WEB.key: NOW.timestamp() + 10, ANY.key: NOW.timestamp() - 10}
    adhoc.add([WEB, ANY], until=lambda mapping: expiry[mapping.key])
    assert len(adhoc.mappings) == 2
    adhoc.adopt(NOW)
    assert [m.port for m in adhoc.mappings] == [8080]
    assert EXPIRY_KEY not in json.loads(storage.adhoc[0])


def test_a_record_of_a_newer_version_is_kept_without_effect(storage: Storage) -> None:
    """A downgrade loses nothing."""
    newer = json.dumps({"port": 1, "protocol": "TCP", "new_field": True})
    storage.adhoc = (newer,)
    adhoc = AdhocMappings(storage)
    assert adhoc.mappings == ()
    adhoc.add([WEB])
    assert newer in storage.adhoc


@pytest.mark.parametrize(
    "mapping", [WEB, ANY, attrs.evolve(WEB, family=Family.IPV6, comment="web", conflict=ConflictPolicy.NEXT)]
)
def test_a_record_stands_for_the_same_mapping(mapping: Mapping) -> None:
    """Nothing is lost on the way to the daemon."""
    (parsed,) = parse_records([to_record(mapping)])
    assert parsed == attrs.evolve(mapping, written_address=parsed.written_address)


def test_the_policy_applies_to_requests() -> None:
    """The error names the rule."""
    policy = Policy((Rule(Action.DENY, port=range(8080, 8081)),))
    check_policy([attrs.evolve(WEB, port=8081)], policy)
    with pytest.raises(UsageError, match=r"TCP 8080: denied by policy\[0\] \(deny port 8080\)"):
        check_policy([WEB], policy)


def test_a_mapping_ends_by_itself(storage: Storage, adhoc: AdhocMappings) -> None:
    """Also after a restart of the daemon."""
    adhoc.add([attrs.evolve(WEB, until=NOW), ANY])
    before = AdhocMappings(storage)
    assert [m.port for m in before.current(NOW - timedelta(seconds=1))] == [8080, ANY_PORT]
    assert [m.port for m in before.current(NOW)] == [ANY_PORT]
    assert [m.port for m in AdhocMappings(storage).mappings] == [ANY_PORT]


def test_the_conditions_of_a_mapping_are_stored(storage: Storage, adhoc: AdhocMappings) -> None:
    """They are no part of its identity."""
    adhoc.add([attrs.evolve(WEB, until=NOW, when_listening=True, schedule="Sat 08:00-09:00", same_port=True)])
    (known,) = AdhocMappings(storage).mappings
    assert (known.until, known.when_listening, known.schedule) == (NOW, True, "Sat 08:00-09:00")
    assert known.same_port
