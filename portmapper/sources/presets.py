"""Presets: the ports of well-known programs, by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import attrs

from portmapper.api.config import READ, structure
from portmapper.api.errors import SettingError, UsageError, quoted
from portmapper.api.suggestions import nearest
from portmapper.sources.port_syntax import ANY, parse_port_argument
from portmapper.support.values import frozen

MAX_PORTS = 64
"""Maximum number of ports and ranges of one preset."""

_NAME = r"[0-9]*[A-Za-z][A-Za-z0-9-]*\Z|[0-9]+-[a-z][a-z0-9-]*\Z"


def is_name(text: str) -> bool:
    """Return whether a text can be the name of a preset; `any` is a port."""
    return re.match(_NAME, text) is not None and text.lower() != "any"


def _ports(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_PORTS:
        raise ValueError(f'{quoted(value)} is not a list of ports, such as ["25565/tcp", "19132/udp"]')
    for text in value:
        try:
            ports, _ = parse_port_argument(text if isinstance(text, str) else "")
        except UsageError:
            ports = ANY
        if ports == ANY:
            raise ValueError(f"{quoted(text)} is not PORT/PROTOCOL, such as 8080/tcp")
    return tuple(text if "/" in text else f"{text}/tcp" for text in value)


@frozen
class Preset:
    """The ports of one program.

    Attributes:
        ports: such as `25565/tcp`, `2456-2457/udp` or `22000/both`.
        title: the program's name.
        page: URL or title of the page that the numbers come from; empty if you defined the preset.
    """

    ports: tuple[str, ...] = attrs.field(metadata={READ: _ports})
    title: str = ""
    page: str = ""


class _Own:
    """The presets of the settings file in effect."""

    by_name: Mapping[str, Preset] = {}


def presets() -> Mapping[str, Preset]:
    """Return the presets by name: ours, then those of the settings file, which replace ours."""
    return {**_builtin(), **_Own.by_name}


def use_own_presets(own: Mapping[str, Preset]) -> None:
    """Put the presets of a settings file in effect, instead of those of an earlier file."""
    _Own.by_name = own


def read_presets(value: object) -> Mapping[str, Preset]:
    """Convert the tables `[preset.NAME]` of the settings file.

    Raises:
        SettingError: a name or a key is invalid.
    """
    if not isinstance(value, dict):
        raise SettingError((), "is not a table of presets: write [preset.NAME]")
    for name in value:
        if not is_name(name):
            raise SettingError((name,), "a name has letters, digits and '-', and at least one letter")
    read = {name.lower(): structure(Preset, table, (name,)) for name, table in value.items()}
    return {
        name: preset if preset.title else attrs.evolve(preset, title=name) for name, preset in read.items()
    }


@cache
def _builtin() -> Mapping[str, Preset]:
    import tomllib
    from importlib import resources

    text = resources.files("portmapper.sources").joinpath("presets.toml").read_text(encoding="utf-8")
    tables: dict[str, Any] = tomllib.loads(text)
    return {name: Preset(**{**table, "ports": tuple(table["ports"])}) for name, table in tables.items()}


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
