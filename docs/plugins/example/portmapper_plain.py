"""A format with one port per line, and an observer that prints opened ports."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from portmapper.api import Event, EventKind, Format, FormatOptions, Observer, Row, SourceError, hookimpl


class PlainFormat(Format):
    """Lines such as `8080/tcp web server`; `#` starts a comment line."""

    name = "plain"
    suffixes = (".ports",)

    def parse(self, content: bytes, options: FormatOptions) -> Iterator[Row]:
        """Yield a row for each line that is neither empty nor a comment."""
        try:
            lines = content.decode("utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise SourceError(f"not UTF-8 text (byte {error.start})") from None
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            ports, _, comment = line.strip().partition(" ")
            port, _, protocol = ports.partition("/")
            fields = {"port": port, "protocol": protocol, "comment": comment.strip()}
            yield Row(fields, f"line {number}", f"line {number}, {{}}")


class StderrObserver(Observer):
    """Prints each opened port to standard error."""

    name = "stderr"

    async def observe(self, event: Event) -> None:
        """Print the event if a port was opened."""
        if event.kind is EventKind.OPENED:
            print(f"{event.protocol} {event.external_port} is open: {event.comment}", file=sys.stderr)


@hookimpl
def portmapper_register_formats() -> list[type[Format]]:
    """Register the format."""
    return [PlainFormat]


@hookimpl
def portmapper_register_observers() -> list[type[Observer]]:
    """Register the observer."""
    return [StderrObserver]
