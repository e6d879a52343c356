"""A mistyped name gets a suggestion."""

from __future__ import annotations

from portmapper.api.suggestions import nearest

KNOWN = ("interval", "conflict", "family")


def test_the_nearest_name_is_suggested() -> None:
    """If one is similar enough."""
    assert nearest("intervall", KNOWN) == ", did you mean interval?"


def test_all_names_are_listed_if_none_is_similar() -> None:
    """The user can then choose one."""
    assert nearest("xyz", KNOWN) == "; known: interval, conflict, family"
