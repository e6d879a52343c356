"""Fuzz the parser for JSON documents."""

from __future__ import annotations

from harness import fuzz, instrumented

with instrumented():
    from portmapper.api.errors import PortmapperError
    from portmapper.api.source import FormatOptions, Row
    from portmapper.sources.row_parser import mappings_of
    from portmapper_files.json_format import JsonFormat


SEEDS = [b'[{"protocol": "TCP", "port": 80, "address": null}, {"port": "6000-6010", "protocol": "both"}]']
FORMAT = JsonFormat()


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
