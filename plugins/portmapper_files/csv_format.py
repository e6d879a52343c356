"""The CSV format: a header, columns in any order, any delimiter."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
from collections.abc import Iterator, Sequence

import attrs

from portmapper.api import Format, FormatOptions, Row, SourceError, quoted
from portmapper.support.encodings import UTF_8, encoding_of
from portmapper_files.csv_header import BLANK, EXAMPLE, Header, delimiter_of, other_delimiter, read_header
from portmapper_files.other_content import refuse_other_files

_MAX_LINE = 65536


class CsvFormat(Format):
    """CSV compatible with upnp-daemon: `address;port;protocol;duration;comment`."""

    name = "csv"
    suffixes = (".csv", ".tsv")
    content_types = ("text/csv", "application/csv")

    def parse(self, content: bytes, options: FormatOptions) -> Iterator[Row]:
        """Yield a row for each record; nothing for an empty document.

        A byte that is not UTF-8 becomes a lone surrogate, so that it invalidates only its own field.
        """
        refuse_other_files(content)
        lines = _Lines(content)
        previous: Row | None = None
        for row in _rows(lines, options.csv_delimiter):
            if previous is not None:
                yield previous
            previous = row
        if previous is not None:
            yield previous if lines.is_complete else attrs.evolve(previous, unfinished=True)


def _rows(lines: _Lines, delimiter: str) -> Iterator[Row]:
    header: Header | None = None
    source, delimiter = _delimited(lines, delimiter)
    for line, cells in _records(lines, source, delimiter):
        if isinstance(cells, str) and header is None:
            raise SourceError(f"line {line}: {other_delimiter(lines.first, delimiter) or cells}")
        elif isinstance(cells, str):
            yield _bad_row(line, cells)
        elif header is None and cells[0].lower().startswith("sep="):
            continue  # Excel's line that names the delimiter
        elif header is None:
            header = read_header(line, cells, delimiter)
        else:
            yield _row(line, header, cells)
    if header is None and lines.has_text:
        raise SourceError(f"no header: the first line must name the columns, such as {EXAMPLE}")


def _without_blanks(cells: Sequence[str]) -> list[str]:
    stripped = list(map(str.strip, cells))
    # Twice as fast for the usual row, which has nothing invisible.
    return stripped if "".join(stripped).isprintable() else [cell.strip(BLANK) for cell in cells]


def _row(line: int, header: Header, cells: Sequence[str]) -> Row:
    cells = _without_blanks(cells)
    while len(cells) > len(header.names) and not cells[-1]:
        cells.pop()
    if len(cells) != len(header.names):
        return _bad_row(line, _wrong_count(cells, header))
    if header.is_repeated(cells):
        return _bad_row(line, "the names of the columns again: remove this line")
    fields = dict(zip(header.names, cells, strict=True))
    header.check_first(fields)
    return Row(fields, f"line {line}", f"line {line}, column {{}}")


def _wrong_count(cells: Sequence[str], header: Header) -> str:
    if cells[0].startswith(("//", "--", "/*")):
        return "a comment begins with #"
    found = f"{len(cells)} field{'' if len(cells) == 1 else 's'}, the header has {len(header.names)}"
    if len(cells) > len(header.names):
        return f"{found}: put a value that contains {quoted(header.delimiter)} in double quotes"
    return f"{found}: write {quoted(header.delimiter)} between two fields, also for an empty one"


class _Lines:
    """The decoded lines of a document.

    They are decoded one by one, so that a hostile document of 16 MiB is never expanded in memory at once.

    Attributes:
        starts_record: the next line begins a record, so it may be a comment.
        first: the first line that is neither blank nor a comment.
        is_complete: the last line ends with a line break.
        has_text: a line is not blank.
        too_long: the number of the last line that was too long; 0 without one.
        with_nul: the number of the last line that contains a NUL byte; 0 without one.
    """

    def __init__(self, content: bytes) -> None:
        encoding = encoding_of(content)
        errors = "surrogateescape" if encoding == UTF_8 else "replace"
        unmarked = io.BytesIO(content.removeprefix(codecs.BOM_UTF8))
        self._text = io.TextIOWrapper(unmarked, encoding, errors=errors, newline="")
        self.starts_record = True
        self.first = ""
        self.is_complete = True
        self.has_text = False
        self.too_long = 0
        self.with_nul = 0

    def __iter__(self) -> Iterator[str]:
        for number, line in enumerate(self._text, 1):
            if "\0" in line:
                self.with_nul = number
            if self.with_nul and not self.has_text:
                raise SourceError(f"line {number}: binary data, not CSV: save the list as CSV, in UTF-8")
            self.has_text = self.has_text or bool(line.strip())
            self.is_complete = line.endswith(("\n", "\r"))
            # A blank line in place of a comment keeps the line numbers.
            is_comment = self.starts_record and line.lstrip("\ufeff \t").startswith("#")
            self.starts_record = False
            if len(line) > _MAX_LINE and not is_comment:
                self.too_long = number
                # The line costs its record only, which may end on a later line if a quote is open.
                yield '"\n' if line.count('"') % 2 else "\n"
            else:
                yield "\n" if is_comment else line


def _records(
    lines: _Lines, source: Iterator[str], delimiter: str
) -> Iterator[tuple[int, Sequence[str] | str]]:
    """Yield the first line and the cells of each record, or its error; skip blank lines and comments."""
    # Strict: otherwise a quote that is never closed would silently consume the rest of the document.
    reader = csv.reader(source, delimiter=delimiter, strict=True, skipinitialspace=not delimiter.isspace())
    while True:
        line = reader.line_num + 1
        lines.starts_record = True
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if str(error).startswith("unexpected end"):
                raise SourceError(
                    f"line {line}: a quote is opened and never closed: close or remove it"
                ) from None
            yield line, _csv_cause(str(error), delimiter)
            continue
        if lines.too_long >= line:
            yield lines.too_long, f"longer than {_MAX_LINE} characters"
        elif lines.with_nul >= line:
            yield lines.with_nul, "contains a NUL byte: remove it"
        elif "".join(cells).strip(BLANK):
            yield line, cells


def _csv_cause(error: str, delimiter: str) -> str:
    if "expected after" in error:
        return f'text follows a closing quote: end the field with {quoted(delimiter)}, or write " twice'
    return f"not CSV: {error}"


def _delimited(lines: _Lines, delimiter: str) -> tuple[Iterator[str], str]:
    """Return the lines and their delimiter, which the first line shows."""
    source = iter(lines)
    skipped = []
    for line in source:
        skipped.append(line)
        lines.starts_record = True
        if line.strip():
            lines.first = line
            break
    return itertools.chain(skipped, source), delimiter_of("".join(skipped[-1:]), delimiter)


def _bad_row(line: int, reason: str) -> Row:
    return Row({}, f"line {line}", f"line {line}, column {{}}", error=reason)
