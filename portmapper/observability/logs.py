"""The log: one line an event, as text or as JSON, with nothing in it that a terminal would obey."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from portmapper.support.text import printable

SYSTEM_LOG = Path("/dev/log")

STRANGERS = ("asyncio", "aiohttp", "async_upnp_client")
"""Libraries that log what we report ourselves, in words of their own."""


class TextFormatter(logging.Formatter):
    """Time, level and message; never more than one line unless a traceback follows."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%d %H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """Make the message harmless: it may quote a gateway or a source."""
        record.message = printable(record.message, 2000)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the library's name
        """Make a traceback harmless, too: the error in it quotes as well."""
        return "\n".join(printable(line, 2000) for line in super().formatException(ei).split("\n"))


class JSONFormatter(logging.Formatter):
    """One JSON object a line: at, level, logger, message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        document = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": printable(record.getMessage(), 2000),
        }
        if record.exc_info:
            document["traceback"] = self.formatException(record.exc_info)
        return json.dumps(document)


def default_handler(detached: bool) -> logging.Handler:
    """Return where lines go when no file is named: standard error, or the system's log once detached."""
    if not detached:
        return logging.StreamHandler(sys.stderr)
    if not SYSTEM_LOG.exists():
        return logging.NullHandler()
    from logging.handlers import SysLogHandler

    handler = SysLogHandler(str(SYSTEM_LOG), SysLogHandler.LOG_DAEMON)
    handler.ident = f"portmapper[{os.getpid()}]: "
    return handler


def file_handler(path: Path) -> logging.Handler:
    """Return a log file, opened again whenever a rotation moved it away.

    Raises:
        OSError: it cannot be opened.
    """
    from logging.handlers import WatchedFileHandler

    return WatchedFileHandler(path, encoding="utf-8")


def start_logging(handler: logging.Handler, level: int, form: str) -> None:
    """Send all lines from `level` up to `handler`; of the libraries above only what is an error."""
    handler.setFormatter(JSONFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in STRANGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
