"""Presets: the ports of well-known programs, by name."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources

import attrs

from portmapper.api.errors import UsageError, quoted
from portmapper.api.suggestions import nearest


@attrs.frozen
class Preset:
    """The ports of one program.

    Attributes:
        title: the program's name.
        page: URL of the page that the numbers come from.
        ports: such as `25565/tcp`, `2456-2457/udp` or `22000/both`.
    """

    title: str
    page: str
    ports: tuple[str, ...]


@cache
def presets() -> Mapping[str, Preset]:
    """Return the presets by name."""
    text = resources.files("portmapper.sources").joinpath("presets.toml").read_text(encoding="utf-8")
    return {
        name: Preset(table["title"], table["page"], tuple(table["ports"]))
        for name, table in tomllib.loads(text).items()
    }


def find_preset(name: str) -> Preset:
    """Return the preset with this name; upper and lower case are the same.

    Raises:
        UsageError: there is none; the message suggests the nearest one.
    """
    known = presets()
    if name.lower() not in known:
        hint = nearest(name.lower(), tuple(known))
        hint = hint if hint.startswith(",") else "; 'portmapper presets' shows all"
        raise UsageError(f"there is no preset {quoted(name)}{hint}")
    return known[name.lower()]
