"""Settings of a plugin that its own variables override."""

from __future__ import annotations

import attrs

from portmapper.support.overrides import Overrides


@attrs.frozen
class _Table:
    url: str = ""


def _values(table: str = "", **environment: str) -> Overrides:
    return Overrides(environment, "PORTMAPPER_TOY_", "toy", _Table(table))


def test_the_variable_wins_over_the_table() -> None:
    """An empty variable counts as unset."""
    assert _values("a", PORTMAPPER_TOY_URL="b").get("url") == "b"
    assert _values("a", PORTMAPPER_TOY_URL="").get("url") == "a"
    assert _values().get("url") == ""


def test_a_message_names_the_setting_that_is_in_effect() -> None:
    """Without either, it names the variable."""
    assert _values("a", PORTMAPPER_TOY_URL="b").name("url") == "PORTMAPPER_TOY_URL"
    assert _values("a").name("url") == "[plugin.toy] url"
    assert _values().name("url") == "PORTMAPPER_TOY_URL"
