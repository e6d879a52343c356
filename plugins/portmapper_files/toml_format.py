"""The TOML format: one `[[mapping]]` table for each row."""

from __future__ import annotations

import re
from collections.abc import Iterator

from portmapper.api import Format, FormatOptions, Row, SourceError, nearest, quoted
from portmapper_files.decoding import blaming_encoding, decode

_TABLE = "mapping"
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
_LONG_KEY = re.compile(rf"(?<![A-Za-z0-9_-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{32}}")


class TomlFormat(Format):
    """TOML with strict keys: a misspelled key is an error."""

    name = "toml"
    suffixes = (".toml",)
    content_types = ("application/toml", "text/toml")

    def parse(self, content: bytes, options: FormatOptions) -> Iterator[Row]:
        """Yield a row for each `[[mapping]]`; nothing for an empty document."""
        if len(content) > _MAX_TOML:
            raise SourceError(f"larger than {_MAX_TOML // 2**20} MiB, too much for TOML; use CSV or JSON")
        text = decode(content, "TOML")
        with blaming_encoding(text):
            document = _load(text)
            _check_keys(document)
        tables = document.get(_TABLE, [])
        if not isinstance(tables, list):
            brackets = " (two brackets)" if isinstance(tables, dict) else ""
            raise SourceError(f"{_TABLE} is not an array of tables: write [[{_TABLE}]]{brackets}")
        for index, table in enumerate(tables):
            where = f"{_TABLE}[{index}]"
            if isinstance(table, dict):
                yield Row(table, where, f"{where}.{{}}", strict_keys=True)
            else:
                yield Row({}, where, f"{where}.{{}}", error=f"{quoted(table)} is not a table")


def _check_keys(document: dict[str, object]) -> None:
    for key in document:
        if key in SETTINGS:
            raise SourceError(f"this is a settings file (it has the key {quoted(key)}): use --config")
        if key != _TABLE:
            raise SourceError(f"unknown table or key {quoted(key)}{nearest(key, (_TABLE,))}")


def _load(text: str) -> dict[str, object]:
    if _LONG_KEY.search(text):
        raise SourceError("not a TOML list of mappings: a key has more than 32 parts")
    import tomllib

    try:
        return tomllib.loads(text)
    except RecursionError:
        raise SourceError("not TOML: nested too deep") from None
    except ValueError as error:
        raise SourceError(f"not TOML: {error}") from None
