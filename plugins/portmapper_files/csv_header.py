"""The header of a CSV list: the names of its columns, and what to write if it is missing."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence

from portmapper.api import FIELD_NAMES, SourceError, meant_field, quoted
from portmapper.support.encodings import UNDECODED
from portmapper_files.other_content import text_cause

EXAMPLE = "port;protocol;comment"

_PORT = ("port", "external_port")
_PRESET = "preset"
_PORTS = {*_PORT, _PRESET}
_KNOWN = f"; known: {', '.join(FIELD_NAMES)}"
# A list without a header begins with a port, such as 8080, 8080/tcp, 8080:80 or 6000-6010.
_PORT_LIKE = r"[0-9]+(?:[-:/][0-9a-z:/]+)?\Z"
_COMMENTED_PORT = r"[0-9]+(?:[-:/][0-9a-z:/]+)?\s*#"
_ADD_PROTOCOLS = ": add the column protocol, or write each port as in 8080/tcp"
_INI = r"\[[a-z][\w .-]*\]\Z"
# What Unicode shows as nothing or as a blank, and the Ctrl-Z at the end of files of DOS.
_INVISIBLE = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\x1a"
_SPACES = "\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
BLANK = string.whitespace + _SPACES + _INVISIBLE
"""Characters around a value that have no meaning: pages and word processors insert them."""
_NOTHING = dict.fromkeys(map(ord, _INVISIBLE))
_MAX_COLUMNS = 256
_USUAL_DELIMITERS = ";,\t|"
_LONGEST_SHOWN = 60


class Header:
    """The columns of a list.

    Attributes:
        names: the names as the fields are called: lower case, with underscores.
        place: the header's line, for messages.
        shown: the header as it was found, for messages.
        delimiter: the character between two columns.
    """

    def __init__(self, names: Sequence[str], place: str, shown: str, delimiter: str) -> None:
        self.names = names
        self.place = place
        self.shown = shown
        self.delimiter = delimiter
        self._is_checked = False

    def is_repeated(self, cells: Sequence[str]) -> bool:
        """Return whether a row names the columns again, as in two lists that were joined."""
        return len(self.names) > 1 and all(
            _name(c) == name for c, name in zip(cells, self.names, strict=True)
        )

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
            raise SourceError(f"{self.place}no column protocol in the header {self.shown}{_ADD_PROTOCOLS}")


def delimiter_of(line: str, delimiter: str) -> str:
    """Return the delimiter of a document with this first line.

    Spreadsheets write tabs as "text", and Excel names the delimiter, as in `sep=,`.
    """
    named = line.strip("\r\n")[4:] if line[:4].lower() == "sep=" else ""
    if len(named) == 1 and named in _USUAL_DELIMITERS:
        return named
    return "\t" if "\t" in line and delimiter not in line else delimiter


def other_delimiter(line: str, delimiter: str) -> str:
    """Return the end of a message if quoted names have another delimiter: `"port","protocol"`; or empty."""
    found = re.match(rf'\s*"[^"]*"\s*([{_USUAL_DELIMITERS}])', line)
    return _use(found[1], delimiter) if found and found[1] != delimiter else ""


def _use(found: str, delimiter: str) -> str:
    looks = f"the delimiter is {quoted(delimiter)}, it looks like {quoted(found)}"
    return f"{looks}: use --csv-delimiter {quoted(found)}"


def read_header(line: int, cells: Sequence[str], delimiter: str) -> Header:
    """Return the header.

    Raises:
        SourceError: a column is missing or repeated; the message shows the header and the nearest column.
    """
    place = f"line {line}: "
    if len(cells) > _MAX_COLUMNS:
        raise SourceError(f"{place}more than {_MAX_COLUMNS} columns in the header")
    names = _names(cells)
    whole = delimiter.join(cell.strip() for cell in cells)
    shown = quoted(whole[:_LONGEST_SHOWN])
    if _PORTS.isdisjoint(names):
        raise SourceError(f"{place}{_no_port(names, shown, delimiter, whole)}")
    if "protocol" not in names and (hint := _rename("protocol", names)):
        raise SourceError(f"{place}no column protocol in the header {shown}{hint}")
    repeated = next((name for name in names if name and names.count(name) > 1), None)
    if repeated is not None:
        raise SourceError(f"{place}two columns {quoted(repeated)} in the header: rename or remove one")
    return Header(names, place, shown, delimiter)


def _names(cells: Sequence[str]) -> list[str]:
    """Return the names of the columns: `Internal Port`, `internal-port` and `internal_port:` are one name."""
    return [_name(cell) for cell in cells]


def _name(cell: str) -> str:
    visible = cell if cell.isascii() else cell.translate(_NOTHING)
    return visible.strip(f'{BLANK}":*').lower().replace(" ", "_").replace("-", "_")


def _no_port(names: Sequence[str], shown: str, delimiter: str, whole: str) -> str:
    if UNDECODED.search(whole) or not whole.translate({9: None, **_NOTHING}).isprintable():
        return "binary data, not CSV: save the list as CSV, in UTF-8"
    problem = f"no column port in the header {shown}"
    if re.match(_INI, names[0]) and not names[0].startswith("[mapping"):
        return f"{problem}: it looks like an INI file: write the list as CSV, JSON or TOML"
    if other := _other_format(names[0]):
        return f"{problem}: it looks like {other.upper()}, use --format {other}"
    if cause := text_cause(whole):
        return f"{problem}: {cause}"
    if found := next((name for name in names if re.match(_PORT_LIKE, name)), ""):
        example = "port" if len(names) == 1 and "/" in found else EXAMPLE
        return f"{problem}: add a first line that names the columns, such as {example}"
    used = next((usual for usual in _USUAL_DELIMITERS if usual != delimiter and usual in whole), "")
    if len(names) == 1 and re.match(_COMMENTED_PORT, whole):
        return f"{problem}: add a first line that names the columns, such as {EXAMPLE}"
    if used and len(names) == 1:
        return f"{problem}: {_use(used, delimiter)}"
    if len(names) == 1 or used:
        return f"{problem}: separate all columns with {quoted(delimiter)}, such as {EXAMPLE}"
    return f"{problem}{_rename('port', names) or _KNOWN}"


def _other_format(first: str) -> str:
    if first.startswith("[[") or "_=_" in first or first.startswith("[mapping"):
        return "toml"
    return "json" if first.startswith(("[", "{")) else ""


def _rename(column: str, names: Sequence[str]) -> str:
    """Return the end of a message: the unknown column that most likely means `column`; or empty."""
    import difflib  # needed only after a mistake

    meant = {name: meant_field(name) for name in names if name and name not in FIELD_NAMES}
    unknown = [name for name, field in meant.items() if field in ("", column, f"external_{column}")]
    contains = [name for name in unknown if column in name.split("_")]
    meaning = [name for name in unknown if meant[name]]
    close = difflib.get_close_matches(column, unknown, n=1)
    near = next(iter([*contains, *meaning, *close]), "")
    if "#" in near:
        return ": write the comment on its own line"
    return f": rename the column {quoted(near)} to {column}" if near else ""
