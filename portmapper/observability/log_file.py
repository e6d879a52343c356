"""The log file: opened without following links, and opened again after log rotation."""

from __future__ import annotations

import contextlib
import logging
import os
from io import TextIOWrapper
from logging.handlers import WatchedFileHandler
from pathlib import Path

from portmapper.support.safe_open import open_regular

DEVICES = (Path("/dev/null"),)
"""Devices that may be named as log file."""


class LogFileHandler(WatchedFileHandler):
    """Appends records to a file; a file that cannot be opened again costs records, never the daemon."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record. If another program replaced the file, open the new one first."""
        try:
            super().emit(record)
        except (OSError, ValueError):
            # The path turned into a directory, a FIFO or a link, or no descriptor is left. A logging call
            # must not raise; the next record tries to open the file again.
            self.stream = None

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        """Drop a record that a full disk did not take, instead of a traceback on standard error."""

    def close(self) -> None:
        """Close the file; what a full disk did not take is lost."""
        with contextlib.suppress(OSError):
            super().close()

    def _open(self) -> TextIOWrapper:
        path = Path(self.baseFilename)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        opened = os.open(path, flags) if path in DEVICES else open_regular(path, flags, 0o640)
        return open(opened, "a", encoding="utf-8", errors="backslashreplace")
