"""The header of a CSV list: the names of its columns, and what to write if it is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from portmapper.api import SourceError, nearest, quoted
from portmapper_files.other_content import text_cause

EXAMPLE = "port;protocol;comment"

_PORT = ("port", "external_port")
_PRESET = "preset"
_COLUMNS = (
    *("port", "protocol", "address", "internal_port", "lifetime", "duration", "comment"),
    *("family", "conflict", "backend", "gateway", "remote", "enabled", "external_port", _PRESET),
)
_ADD_PROTOCOLS = ": add the column protocol, or write each port as in 8080/tcp"
_MAX_COLUMNS = 256
_USUAL_DELIMITERS = ";,\t|"
_LONGEST_SHOWN = 60


@attrs.define
class Header:
    """The columns of a list.

    Attributes:
        names: the names as the fields are called: lower case, with underscores.
        shown: the header as it was found, for messages.
    """

    names: Sequence[str]
    shown: str
    _is_checked: bool = False

    def check_first(self, fields: Mapping[str, str]) -> None:
        """Check at the first row that the list has protocols: in a column, or in the ports (`8080/tcp`).

        Raises:
            SourceError: it has none. Otherwise every row would be rejected, and every port closed.
        """
        if self._is_checked:
            return
        self._is_checked = True
        ports = next((fields[name] for name in _PORT if fields.get(name)), "")
        if "protocol" not in self.names and "/" not in ports and not fields.get(_PRESET):
            hint = _hint("protocol", self.names) if _near("protocol", self.names) else _ADD_PROTOCOLS
            raise SourceError(f"no column protocol in the header {self.shown}{hint}")


def read_header(cells: Sequence[str], delimiter: str) -> Header:
    """Return the header.

    Raises:
        SourceError: a column is missing or repeated; the message shows the header and the nearest column.
    """
    if len(cells) > _MAX_COLUMNS:
        raise SourceError(f"more than {_MAX_COLUMNS} columns in the header")
    names = [cell.strip().lower().replace(" ", "_").replace("-", "_") for cell in cells]
    shown = quoted(delimiter.join(cell.strip() for cell in cells)[:_LONGEST_SHOWN])
    if not any(name in names for name in (*_PORT, _PRESET)):
        raise SourceError(_no_port(names, shown, delimiter, delimiter.join(cells)))
    if "protocol" not in names and _near("protocol", names):
        raise SourceError(f"no column protocol in the header {shown}{_hint('protocol', names)}")
    repeated = next((name for name in names if name and names.count(name) > 1), None)
    if repeated is not None:
        raise SourceError(f"two columns {quoted(repeated)} in the header")
    return Header(names, shown)


def _no_port(names: Sequence[str], shown: str, delimiter: str, cells_text: str) -> str:
    problem = f"no column port in the header {shown}"
    if other := _other_format(names[0]):
        return f"{problem}: it looks like {other.upper()}, use --format {other}"
    if cause := text_cause(cells_text):
        return f"{problem}: {cause}"
    if any(name.partition("/")[0].isdigit() for name in names):
        return f"{problem}: add a first line that names the columns, such as {EXAMPLE}"
    if len(names) == 1:
        found = next((d for d in _USUAL_DELIMITERS if d != delimiter and d in names[0]), None)
        looks = f", it looks like {quoted(found)}: use --csv-delimiter {quoted(found)}" if found else ""
        return f"{problem}: the delimiter is {quoted(delimiter)}{looks}"
    return f"{problem}{_hint('port', names)}"


def _other_format(first: str) -> str:
    if first.startswith("[[") or "_=_" in first or first.startswith("[mapping"):
        return "toml"
    return "json" if first.startswith(("[", "{")) else ""


def _hint(column: str, names: Sequence[str]) -> str:
    near = _near(column, names)
    if near:
        return f": rename the column {quoted(near)} to {column}"
    unknown = next((name for name in names if name and name not in _COLUMNS), None)
    return nearest(unknown, _COLUMNS) if unknown else f"; known: {', '.join(_COLUMNS)}"


def _near(column: str, names: Sequence[str]) -> str:
    """Return the unknown column that most likely means `column`, empty if there is none."""
    import difflib  # needed only after a mistake

    unknown = [name for name in names if name and name not in _COLUMNS]
    found = difflib.get_close_matches(column, unknown, n=1, cutoff=0.5)
    starts = [name for name in unknown if len(name) > 2 and column.startswith(name)]
    contains = [name for name in unknown if column in name.split("_")]
    return next(iter([*contains, *starts, *found]), "")
