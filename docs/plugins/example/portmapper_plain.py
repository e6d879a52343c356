"""A format with one port a line, and an observer that says what was opened."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from portmapper.api import Event, EventKind, Format, FormatOptions, Observer, Row, SourceError, hookimpl


class PlainFormat(Format):
    """Lines such as `8080/tcp web server`; `#` begins a comment line."""

    name = "plain"
    suffixes = (".ports",)

    def parse(self, content: bytes, options: FormatOptions) -> Iterator[Row]:
        """Yield a row for each line that has something on it."""
        try:
            lines = content.decode("utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise SourceError(f"not UTF-8 text (byte {error.start})") from None
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            desired, _, comment = line.strip().partition(" ")
            port, _, protocol = desired.partition("/")
            fields = {"port": port, "protocol": protocol, "comment": comment.strip()}
            yield Row(fields, f"line {number}", f"line {number}, {{}}")


class Teller(Observer):
    """Says each opened port on standard error."""

    name = "teller"

    async def observe(self, event: Event) -> None:
        """Say it, if it is an opened port."""
        if event.kind is EventKind.OPENED:
            print(f"{event.protocol} {event.external_port} is open: {event.comment}", file=sys.stderr)


@hookimpl
def portmapper_register_formats() -> list[type[Format]]:
    """Register the format."""
    return [PlainFormat]


@hookimpl
def portmapper_register_observers() -> list[type[Observer]]:
    """Register the observer."""
    return [Teller]
