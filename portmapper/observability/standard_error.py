"""The log on standard error, which never makes the event loop wait."""

from __future__ import annotations

import logging
import sys

from portmapper.support.text import plural
from portmapper.support.writable import takes_text


class StandardErrorHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Omits records while the stream is not read, and reports how many it omitted.

    Ctrl-S on a terminal would stop the daemon otherwise, and its leases would end.
    """

    def __init__(self) -> None:
        """Write to the standard error stream."""
        super().__init__(sys.stderr)
        self._omitted = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record if that does not block."""
        if not takes_text(self.stream):
            self._omitted += 1
            return
        if self._omitted:
            omitted, self._omitted = self._omitted, 0
            super().emit(_report(omitted))
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        """Drop a record that could not be written, such as without memory, instead of a traceback."""


def _report(omitted: int) -> logging.LogRecord:
    text = "the log omitted %s while it was not read"
    return logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, (plural(omitted, "line"),), None)
