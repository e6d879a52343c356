"""The schemas of the API's documents."""

from __future__ import annotations

from portmapper.api.field_names import FIELD_NAMES
from portmapper.control.schemas import COMPONENTS


def test_a_record_has_the_fields_of_a_list() -> None:
    """Each field, by each of its names."""
    assert set(COMPONENTS["Record"]["properties"]) == set(FIELD_NAMES)
