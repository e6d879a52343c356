"""When a port of an object is open."""

from __future__ import annotations

import pytest
from portmapper_kubernetes.rejections import InvalidSpec
from portmapper_kubernetes.times import read_times


def test_the_fields_are_those_of_a_row() -> None:
    """Fields that are not given are omitted."""
    times = read_times(
        {"when": "Listening", "until": "2026-12-31T18:00:00Z", "schedule": " Sat  18:00-23:59 "}
    )
    assert times.fields == {
        "when": "listening",
        "until": "2026-12-31T18:00:00+00:00",
        "schedule": "Sat 18:00-23:59",
    }
    assert read_times({}).fields == {}
    assert read_times({"when": None, "until": ""}).fields == {}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("when", "sometimes"),
        ("when", "x" * 4000),
        ("until", "tomorrow"),
        ("until", "2026-12-31T18:00:00"),
        ("until", "9999-12-31T23:59:59Z"),
        ("until", "2026-13-31T18:00:00Z"),
        ("until", "9" * 4000),
        ("schedule", "always"),
        ("schedule", "Sat 25:00-26:00"),
        ("schedule", ";" * 900),
        ("schedule", "Sat 18:00-23:59;" * 400),
        ("schedule", "Mon-" * 1000),
        ("schedule", "\u0661\u0668:00-23:00"),
    ],
)
def test_an_invalid_value_is_refused_with_the_name_of_the_field(name: str, text: str) -> None:
    """The message is short and printable."""
    with pytest.raises(InvalidSpec, match=f"^{name}") as caught:
        read_times({name: text})
    assert len(str(caught.value)) < 400
    assert str(caught.value).isprintable()
