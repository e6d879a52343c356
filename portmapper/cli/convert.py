"""`portmapper convert`: convert a list to another format."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portmapper.api.command import Command
from portmapper.api.errors import PortmapperError, RowError
from portmapper.cli.options import add_format_options, add_log_options, add_plugin_option, configure_logging
from portmapper.cli.say import say

if TYPE_CHECKING:
    from portmapper.api.model import ConflictPolicy
    from portmapper.api.source import Row
    from portmapper.sources.row_parser import ParsedRow

REJECTED = 2


class Convert(Command):
    """The command `convert`; it writes a CSV, JSON or TOML list as TOML."""

    name = "convert"
    help = "convert a list to another format"
    examples = ("portmapper convert ports.csv --to toml",)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of `convert`."""
        parser.add_argument("source", metavar="SOURCE", help="a path, '-' for standard input, or a URL")
        parser.add_argument("--to", choices=("toml",), default="toml", help="default toml")
        parser.add_argument(
            "-o", "--output", type=Path, metavar="FILE", help="write to FILE; default: standard output"
        )
        add_format_options(parser)
        add_plugin_option(parser)
        add_log_options(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        """Convert all valid rows; return 2 if a row is invalid."""
        import asyncio

        import tomli_w

        from portmapper.api.source import FormatOptions
        from portmapper.pluginhost.manager import load_plugins
        from portmapper.sources.open_source import open_source
        from portmapper.sources.reader import AUTO

        configure_logging(arguments, "warning")
        plugins = load_plugins(arguments.disable_plugin)
        options = FormatOptions(csv_delimiter=arguments.csv_delimiter or ";")
        reader = open_source(
            arguments.source, plugins.sources, plugins.formats, arguments.format or AUTO, options
        )
        tables, rejected = _convert(asyncio.run(reader.read_rows()))
        _write(tomli_w.dumps({"mapping": tables}), arguments.output)
        for reason in rejected:
            say(f"portmapper: {reader.location}: {reason}", sys.stderr)
        return REJECTED if rejected else 0


def _convert(rows: Iterable[Row]) -> tuple[list[dict[str, Any]], list[str]]:
    from portmapper.sources.preset_rows import expanded
    from portmapper.sources.row_cache import rejected_row
    from portmapper.sources.row_parser import mappings_of, parse_row
    from portmapper.support.text import printable

    tables, rejected = [], []
    for row in rows:
        try:
            mappings_of(row, "")
            tables += [_table(part, parse_row(part)) for part in expanded(row)]
        except RowError as error:
            bad = rejected_row(row, error)
            rejected.append(printable(f"{bad.place}: {bad.reason}"))
    return tables, rejected


def _table(row: Row, record: ParsedRow) -> dict[str, Any]:
    """Return the fields of the row with TOML types; fields that the row omits are omitted."""
    typed = {
        "port": _ports(record.port),
        "protocol": _choices(record.protocol),
        "address": row.fields.get("address"),
        "duration" if "duration" in row.fields else "lifetime": record.duration,
        "comment": record.comment,
        "internal_port": _ports(record.internal_port) if record.internal_port else None,
        "family": _choices(record.family or ()),
        "conflict": _conflict_name(record.conflict),
        "backend": record.backend,
        "gateway": row.fields.get("gateway"),
        "remote": row.fields.get("remote"),
        "enabled": record.enabled,
        "when": "listening" if record.when else "always",
        "until": record.until,
        "schedule": record.schedule,
        "same_port": record.same_port,
    }
    # The port may contain the protocol, and may have its other name.
    given = {name for name, value in row.fields.items() if value not in (None, "")} | {"port", "protocol"}
    return {name: value for name, value in typed.items() if name in given}


def _conflict_name(policy: ConflictPolicy | None) -> str | None:
    from portmapper.sources.field_parsers import CONFLICTS

    return next((name for name, known in CONFLICTS.items() if known is policy), None)


def _ports(ports: range) -> int | str:
    if ports[0] == 0:
        return "any"
    return ports[0] if len(ports) == 1 else f"{ports[0]}-{ports[-1]}"


def _choices(values: Iterable[str]) -> str:
    """Return the single value, or `both` if there are two, as lists write protocols and families."""
    names = [str(value) for value in values]
    return names[0] if len(names) == 1 else "both"


def _write(text: str, path: Path | None) -> None:
    if path is None:
        is_utf8 = (sys.stdout.encoding or "utf-8").lower() == "utf-8"
        sys.stdout.write(text if is_utf8 else _in_ascii(text))
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PortmapperError(f"cannot write {path}: {error.strerror}") from error


def _in_ascii(text: str) -> str:
    """Escape what a pipe of Windows may lack: TOML is UTF-8, and a `?` would be written into the list."""
    return "".join(
        one if one.isascii() else f"\\u{ord(one):04x}" if ord(one) <= 0xFFFF else f"\\U{ord(one):08x}"
        for one in text
    )
