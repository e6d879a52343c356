"""Rows that name a preset instead of ports: `preset = "wireguard"`."""

from __future__ import annotations

import attrs

from portmapper.api.errors import RowError, UsageError, quoted
from portmapper.api.source import Row
from portmapper.sources.presets import find_preset, presets

PRESET = "preset"

_NAMED_BY_PRESET = ("port", "external_port", "protocol", "internal_port")


def expanded(row: Row) -> list[Row]:
    """Return a row for each port of the row's preset, and any other row as it is.

    Raises:
        RowError: there is no such preset, or the row also has a field that the preset decides.
    """
    name = row.fields.get(PRESET)
    if row.error or name is None or name == "":
        return [row]
    if not isinstance(name, str):
        raise RowError(PRESET, f"{quoted(name)} is not the name of a preset")
    try:
        preset = find_preset(name)
    except UsageError as error:
        raise RowError(PRESET, str(error)) from None
    others = {field: value for field, value in row.fields.items() if field != PRESET}
    for field in _NAMED_BY_PRESET:
        if others.pop(field, None) not in (None, ""):
            raise RowError(field, f"the preset {quoted(name)} has its own ports: remove {field} or preset")
    if others.get("comment") in (None, ""):
        others["comment"] = preset.title
    return [attrs.evolve(row, fields={**others, "port": ports}) for ports in preset.ports]


def preset_hint(value: object) -> str:
    """Return the end of a message about a port that is the name of a preset; empty for another value."""
    is_preset = isinstance(value, str) and value.strip().lower() in presets()
    return f": it is a preset, write it in the field {PRESET}" if is_preset else ""
