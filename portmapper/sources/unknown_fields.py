"""Reports the keys and columns of a list that no field has: they are ignored, and may be misspelled."""

from __future__ import annotations

from collections.abc import Iterable

from portmapper.api.errors import quoted
from portmapper.api.field_names import FIELD_NAMES, meant_field
from portmapper.api.reading import Rejected
from portmapper.api.source import Row

MAX_SHOWN = 20
"""Maximum number of unknown names of one list that are reported; a hostile list may have very many."""

_NAMES = frozenset(FIELD_NAMES)


def unknown_key(name: str) -> str:
    """Return why a row with an unknown key is rejected."""
    meant = meant_field(name)
    return f"unknown key, did you mean {meant}?" if meant else f"unknown key; known: {', '.join(FIELD_NAMES)}"


def instead_of(field: str, names: Iterable[str]) -> str:
    """Return the end of a message about a missing field: the name that was written instead of it."""
    meant = {str(name): meant_field(str(name)) for name in names if name not in _NAMES}
    accepted = (field, "external_port") if field == "port" else (field,)
    found = ((name, meant_name) for name, meant_name in meant.items() if meant_name in accepted)
    return next((f": rename {quoted(name)} to {meant_name}" for name, meant_name in found), "")


class UnknownFields:
    """The unknown names of one document; each is reported once, at the first row that has it."""

    def __init__(self) -> None:
        """Know the fields only."""
        self._seen: set[object] = {*_NAMES, ""}
        self.warnings: list[Rejected] = []

    def note(self, row: Row) -> None:
        """Add a warning for each name of the row that is unknown and new."""
        for name in row.fields:
            if name in self._seen:
                continue
            self._seen.add(name)
            if len(self.warnings) < MAX_SHOWN:
                self.warnings.append(_warning(row, str(name)))


def _warning(row: Row, name: str) -> Rejected:
    meant = meant_field(name)
    hint = f": did you mean {meant}?" if meant else ""
    shown = name if name.isidentifier() else quoted(name)
    return Rejected(row.field_where.replace("{}", shown), f"unknown, ignored{hint}", row.line)
