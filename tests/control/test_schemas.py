"""The schemas of the API's documents."""

from __future__ import annotations

from portmapper.control.schemas import COMPONENTS
from portmapper.sources.row_parser import NAMES


def test_a_record_has_the_fields_of_a_list() -> None:
    """Each field, by each of its names."""
    assert set(COMPONENTS["Record"]["properties"]) == set(NAMES)
