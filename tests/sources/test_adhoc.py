"""Ad-hoc mappings: the records of requests are checked as strictly as the rows of a list."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portmapper.api.errors import PortmapperError, UsageError
from portmapper.sources.adhoc import parse_records
from portmapper.sources.row_parser import FIELDS

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.lists(
    st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), VALUES, max_size=6), max_size=4
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
