"""Fuzz the parser for TOML documents."""

from __future__ import annotations

from harness import fuzz, instrumented

with instrumented():
    from portmapper.api.errors import PortmapperError
    from portmapper.api.source import FormatOptions, Row
    from portmapper.sources.row_parser import mappings_of
    from portmapper_files.toml_format import TomlFormat


SEEDS = [b'[[mapping]]\nport = 80\nprotocol = "tcp"\nduration = 0\nfamily = "both"\n']
FORMAT = TomlFormat()


def parse(data: bytes) -> None:
    """Parse a document and each of its rows."""
    for row in FORMAT.parse(data, FormatOptions()):
        _read(row)


def _read(row: Row) -> None:
    try:
        mappings_of(row, "fuzz")
    except PortmapperError:
        return


if __name__ == "__main__":
    fuzz(parse, SEEDS)
