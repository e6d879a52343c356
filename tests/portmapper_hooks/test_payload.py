"""Fields that a hook gets as JSON and as environment variables."""

from __future__ import annotations

import json
from collections.abc import Callable

from portmapper.api.events import Event
from portmapper_hooks.payload import environment_of, fields_of, json_of


def test_json_and_environment_have_the_same_fields(event: Callable[..., Event]) -> None:
    """Each JSON key has an environment variable with the prefix and the same value."""
    fields, environment = fields_of(event()), environment_of(event())
    assert json.loads(json_of(event())) == fields
    assert {f"PORTMAPPER_{name.upper()}" for name in fields} == environment.keys()
    assert environment["PORTMAPPER_EXTERNAL_PORT"] == "8080"


def test_an_unknown_value_is_null_in_json_and_empty_in_the_environment(event: Callable[..., Event]) -> None:
    """An environment variable cannot be null."""
    opened = event(external_address=None)
    assert fields_of(opened)["external_address"] is None
    assert environment_of(opened)["PORTMAPPER_EXTERNAL_ADDRESS"] == ""


def test_texts_are_safe_for_a_terminal(event: Callable[..., Event]) -> None:
    """A router or a list wrote them, so they may contain control characters."""
    environment = environment_of(event(comment="web\nserver", detail="\x1b[31m"))
    assert environment["PORTMAPPER_COMMENT"] == "web server"
    assert "\x1b" not in environment["PORTMAPPER_DETAIL"]
