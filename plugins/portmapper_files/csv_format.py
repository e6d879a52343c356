"""The CSV format: a header, columns in any order, any delimiter."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

import attrs

from portmapper.api import Format, FormatOptions, Row, SourceError, quoted

_REQUIRED = ("port", "protocol")
_MAX_COLUMNS = 256
_MAX_LINE = 65536
_USUAL_DELIMITERS = ";,\t|"


class CsvFormat(Format):
    """CSV compatible with upnp-daemon: `address;port;protocol;duration;comment`."""

    name = "csv"
    suffixes = (".csv", ".tsv")
    content_types = ("text/csv", "application/csv")

    def parse(self, content: bytes, options: FormatOptions) -> Iterator[Row]:
        """Yield a row for each record; nothing for an empty document.

        A byte that is not UTF-8 becomes a lone surrogate, so that it invalidates only its own row.
        """
        if b"\0" in content:
            raise SourceError("binary data, not CSV")
        previous: Row | None = None
        for row in _rows(content, options.csv_delimiter):
            if previous is not None:
                yield previous
            previous = row
        if previous is not None:
            yield previous if content.endswith((b"\n", b"\r")) else attrs.evolve(previous, unfinished=True)


def _rows(content: bytes, delimiter: str) -> Iterator[Row]:
    header: list[str] | None = None
    for line, cells in _records(_lines(content), delimiter):
        if isinstance(cells, str):
            yield _bad_row(line, cells)
        elif header is None:
            header = _header(cells, delimiter)
        elif len(cells) == len(header):
            yield Row(dict(zip(header, cells, strict=True)), f"line {line}", f"line {line}, column {{}}")
        else:
            yield _bad_row(line, f"{len(cells)} fields, the header has {len(header)}")


def _lines(content: bytes) -> Iterator[str]:
    """Decode line by line, so that a hostile document of 16 MiB is never expanded in memory at once."""
    text = io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", errors="surrogateescape", newline="")
    for number, line in enumerate(text, 1):
        if len(line) > _MAX_LINE:
            raise SourceError(f"line {number}: longer than {_MAX_LINE} characters")
        yield line


def _records(lines: Iterable[str], delimiter: str) -> Iterator[tuple[int, Sequence[str] | str]]:
    """Yield the first line and the cells of each record, or its error; skip blank lines."""
    # Strict: otherwise a quote that is never closed would silently consume the rest of the document.
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if str(error).startswith("unexpected end"):
                raise SourceError(f"line {line}: a quote is opened and never closed") from None
            yield line, str(error)
            continue
        if len(cells) > 1 or (cells and cells[0].strip()):
            yield line, cells


def _header(cells: Sequence[str], delimiter: str) -> list[str]:
    if len(cells) > _MAX_COLUMNS:
        raise SourceError(f"more than {_MAX_COLUMNS} columns in the header")
    header = [cell.strip() for cell in cells]
    for name in _REQUIRED:
        if name not in header:
            raise SourceError(f"no column {name} in the header{_delimiter_hint(header, delimiter)}")
    repeated = next((name for name in header if name and header.count(name) > 1), None)
    if repeated is not None:
        raise SourceError(f"two columns {quoted(repeated)} in the header")
    return header


def _delimiter_hint(header: Sequence[str], delimiter: str) -> str:
    if len(header) > 1:
        return ""
    other = next((d for d in _USUAL_DELIMITERS if d != delimiter and d in header[0]), None)
    hint = f", it looks like {quoted(other)}" if other else ""
    return f" {quoted(header[0])}: the delimiter is {quoted(delimiter)}{hint}"


def _bad_row(line: int, reason: str) -> Row:
    return Row({}, f"line {line}", f"line {line}, column {{}}", error=reason)
