"""Reads the rows of a TOML document: one `[[mapping]]` table for each row."""

from __future__ import annotations

import re
from collections.abc import Iterator

from portmapper.api import Row, SourceError, nearest, quoted
from portmapper.support.toml_mistakes import toml_mistake
from portmapper_files.decoding import blaming_encoding, decode
from portmapper_files.lines import lines_of_tables
from portmapper_files.other_content import text_cause

_TABLE = "mapping"
_TABLE_LINE = r"\s*\[{1,2}\s*[A-Za-z]"
_FIELDS = ("port", "external_port", "internal_port", "protocol", "address", "lifetime", "comment")
SETTINGS = frozenset(
    {
        "sources",
        "source",
        "format",
        "csv_delimiter",
        "interval",
        "conflict",
        "family",
        "close_ports_on_exit",
        "preset",
    }
    | {"gateway", "backend", "policy", "state_dir", "pid_file", "disable_plugins", "log"}
    | {"hook", "webhook", "metrics", "http", "guard", "cluster", "probe", "files"}
)
"""The keys of the settings file, which people pass as a list by mistake."""
# tomllib is pure Python and parses about a megabyte in a second.
_MAX_TOML = 2 * 1024 * 1024
# tomllib needs n² steps for a dotted key of n parts: a line of a megabyte of `a.a.a.…` would take hours.
_PART = r"""(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')"""
_LONG_KEY = rf"(?<![A-Za-z0-9_-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{32}}"


def toml_rows(content: bytes) -> Iterator[Row]:
    """Yield a row for each `[[mapping]]`.

    Raises:
        SourceError: the document is not a list of mappings.
    """
    if len(content) > _MAX_TOML:
        raise SourceError(f"larger than {_MAX_TOML // 2**20} MiB, too much for TOML; use CSV or JSON")
    text = decode(content, "TOML")
    with blaming_encoding(text):
        document = _load(text)
        _check_keys(document)
    if _TABLE not in document and text.strip():
        # A file of comments is more often an unfinished list than an order to close every port.
        raise SourceError(f"no [[{_TABLE}]] table: for an empty list, write {_TABLE} = []")
    tables = document.get(_TABLE, [])
    if not isinstance(tables, list):
        brackets = " (two brackets)" if isinstance(tables, dict) else ""
        raise SourceError(f"{_TABLE} is not an array of tables: write [[{_TABLE}]]{brackets}")
    for index, (table, line) in enumerate(zip(tables, lines_of_tables(text, len(tables)), strict=True)):
        where = f"{_TABLE}[{index}]"
        if isinstance(table, dict):
            yield Row(table, where, f"{where}.{{}}", strict_keys=True, line=line)
        else:
            error = f"{quoted(table)} is not a table"
            yield Row({}, where, f"{where}.{{}}", error=error, line=line)


def _check_keys(document: dict[str, object]) -> None:
    for key in document:
        if key in SETTINGS:
            raise SourceError(f"this is a settings file (it has the key {quoted(key)}): use --config")
        if key != _TABLE:
            hint = f": write [[{_TABLE}]] above it" if key in _FIELDS else _hint(key)
            raise SourceError(f"unknown table or key {quoted(key)}{hint}")


def _hint(key: str) -> str:
    near = nearest(key, (_TABLE,))
    return near if near.startswith(",") else f": write each mapping below a line [[{_TABLE}]]"


def _load(text: str) -> dict[str, object]:
    if re.search(_LONG_KEY, text):
        raise SourceError("not a TOML list of mappings: a key has more than 32 parts")
    import tomllib

    try:
        return tomllib.loads(text)
    except RecursionError:
        raise SourceError("not TOML: nested too deep") from None
    except ValueError as error:
        raise SourceError(f"not TOML: {toml_mistake(text, str(error), _other_format(text))}") from None


def _other_format(text: str) -> str:
    """Return what a document is instead of TOML, and what to do; empty if it is not known."""
    start = text.lstrip()[:1]
    if start in ("{", "[") and not re.match(_TABLE_LINE, text):
        return "it looks like JSON, use --format json"
    if cause := text_cause(text):
        return cause
    if "port" in text.strip().partition("\n")[0].lower() and "=" not in text:
        return "it looks like CSV, use --format csv"
    # Line breaks of old Macs.
    return "save the file with the line breaks of Unix or Windows" if "\r" in text.replace("\r\n", "") else ""
