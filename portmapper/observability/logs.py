"""The log: one line per record, as text or JSON, without control characters and secrets."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from portmapper.observability.standard_error import StandardErrorHandler
from portmapper.support.duration import format_local
from portmapper.support.secrets import mask_urls
from portmapper.support.text import printable

SYSTEM_LOG = Path("/dev/log")

LONGEST_LINE = 2000

THIRD_PARTY_LOGGERS = (
    *("asyncio", "aiohttp", "async_upnp_client"),
    *("apprise", "requests", "urllib3", "httpx", "httpx2", "httpcore", "httpcore2", "paho"),
)
"""Loggers of libraries whose warnings portmapper reports in its own words.

At other levels, some of them log each request with its path and its headers.
"""


class TextFormatter(logging.Formatter):
    """Format time, level and message on one line; a traceback adds lines."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - see above
        """Return the local time with its zone, as `history` shows it."""
        return format_local(datetime.fromtimestamp(record.created, UTC))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """Escape the message: it may quote a gateway or a source."""
        record.message = safe_line(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the library's name
        """Escape the traceback: the exception's text may quote a gateway or a source, too."""
        return "\n".join(safe_line(line) for line in super().formatException(ei).split("\n"))


class JournalFormatter(TextFormatter):
    """Format for systemd's journal, which reads the priority from a prefix and adds the time itself."""

    def format(self, record: logging.LogRecord) -> str:
        """Return each line with the priority of sd-daemon(3): systemd makes each line a record."""
        record.message = record.getMessage()
        text = safe_line(record.message)
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        prefix = f"<{_PRIORITIES.get(record.levelno, 6)}>"
        return "\n".join(prefix + line for line in text.split("\n"))


_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class JSONFormatter(logging.Formatter):
    """Format one JSON object per line: at, level, logger, message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        import json  # few logs have this format

        document = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": safe_line(record.getMessage()),
        }
        if record.exc_info:
            document["traceback"] = mask_urls(self.formatException(record.exc_info))
        return json.dumps(document)


def safe_line(text: str) -> str:
    """Return a text as one line for the log, without the secrets of URLs."""
    return printable(mask_urls(text), LONGEST_LINE)


def default_handler(detached: bool) -> logging.Handler:
    """Return the handler if no log file is named: standard error, or the system's log after detaching."""
    if not detached:
        return StandardErrorHandler()
    if not SYSTEM_LOG.exists():
        return logging.NullHandler()
    from logging.handlers import SysLogHandler

    handler = SysLogHandler(str(SYSTEM_LOG), SysLogHandler.LOG_DAEMON)
    handler.ident = f"portmapper[{os.getpid()}]: "
    return handler


def start_logging(handler: logging.Handler, level: int, form: str) -> None:
    """Send records of `level` and above to `handler`, and only errors of third-party libraries."""
    handler.setFormatter(_formatter(handler, form))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in THIRD_PARTY_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)


def _formatter(handler: logging.Handler, form: str) -> logging.Formatter:
    if form == "json":
        return JSONFormatter()
    to_journal = isinstance(handler, logging.StreamHandler) and is_journal(handler.stream)
    return JournalFormatter() if to_journal else TextFormatter()


def is_journal(stream: Any) -> bool:
    """Return whether systemd connected this stream to its journal.

    `JOURNAL_STREAM` names device and inode, because a child may inherit the variable but not the stream.
    """
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
